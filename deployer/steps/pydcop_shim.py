"""Let pyDCOP 0.1.1 (2018) and 0.1.2a1 (2020) run on today's Python and libraries.

`dcop_shim.pth` imports this module whenever the version's Python starts, so it
only installs an import hook; the patches are made when pydcop is imported.  A patch
restores what a library has removed, and changes nothing that still exists: a pyDCOP
or a Python that needs no patch is not affected.
"""

import sys


class _Hook:
    """A meta path finder that makes the patches when pydcop is imported."""

    def find_spec(self, name, path=None, target=None):
        if name == "pydcop":
            _patch_libraries()
        elif name in _AFTER:
            return _spec_with_patch(name, path, _AFTER[name])
        return None


class _PulpSolversFinder:
    """A meta path finder for pulp.solvers, which is pulp.apis since PuLP 2.

    It is the last finder, so that a PuLP that has the module is found first.
    """

    def find_spec(self, name, path=None, target=None):
        if name != "pulp.solvers":
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, _PulpSolvers())


def _patch_libraries():
    # collections.Iterable, .Mapping and so on: removed in Python 3.10.
    import collections
    import collections.abc

    for name in ("Callable", "Iterable", "Mapping", "MutableMapping", "Sequence"):
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))

    # 0.1.1 calls yaml.load(text); PyYAML 6 requires a loader.  FullLoader was the
    # default of PyYAML 5, and is what 0.1.2a1 names.
    try:
        import yaml
    except ImportError:
        pass
    else:
        _default_loader(yaml)

    # DPOP of 0.1.1 calls numpy.asscalar: removed in numpy 1.23.
    try:
        import numpy
    except ImportError:
        pass
    else:
        if not hasattr(numpy, "asscalar"):
            numpy.asscalar = lambda array: array.item()

    # `pydcop generate` logs networkx.info (removed in 3.0), `pydcop graph` of 0.1.1
    # splits a graph with connected_component_subgraphs (removed in 2.4).
    try:
        import networkx
    except ImportError:
        pass
    else:
        if not hasattr(networkx, "info"):
            networkx.info = str
        if not hasattr(networkx, "connected_component_subgraphs"):
            networkx.connected_component_subgraphs = lambda graph: (
                graph.subgraph(nodes).copy()
                for nodes in networkx.connected_components(graph)
            )


def _default_loader(yaml):
    import functools
    import inspect

    loader = inspect.signature(yaml.load).parameters.get("Loader")
    if loader is None or loader.default is not loader.empty:
        return

    original = yaml.load

    @functools.wraps(original)
    def load(stream, Loader=yaml.FullLoader):
        return original(stream, Loader)

    yaml.load = load


class _PulpSolvers:
    def create_module(self, spec):
        return None

    def exec_module(self, module):
        import pulp.apis

        for name in dir(pulp.apis):
            if not name.startswith("__"):
                setattr(module, name, getattr(pulp.apis, name))


def _spec_with_patch(name, path, patch):
    """The spec of a module of pydcop; `patch(module)` is called after the module's code."""
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec(name, path)
    if spec is None or spec.loader is None:
        return spec
    execute = spec.loader.exec_module

    def exec_module(module):
        execute(module)
        try:
            patch(module)
        except AttributeError:
            pass  # a pyDCOP with other internals is not patched

    spec.loader.exec_module = exec_module
    return spec


def _set_one_value(relations):
    # numpy 2 has no ndarray.itemset, so DPOP and MGM2 fail.  The branch for a list of
    # values does not use it.
    import numpy

    if hasattr(numpy.zeros(1), "itemset"):  # an instance: the class has a stub that raises
        return
    relation = relations.NAryMatrixRelation
    original = relation.set_value_for_assignment

    def set_value_for_assignment(self, values, value):
        if isinstance(values, dict):
            values = [values[variable.name] for variable in self.dimensions]
        return original(self, values, value)

    relation.set_value_for_assignment = set_value_for_assignment


def _accept_012_format(yamldcop):
    # In files for 0.1.2 a domain's type may be left out and agents may be a list;
    # 0.1.1 looks up the type, and the agents by name.
    build_domains, build_agents = yamldcop._build_domains, yamldcop._build_agents

    def typed_domains(loaded):
        for domain in (loaded.get("domains") or {}).values():
            if isinstance(domain, dict):
                domain.setdefault("type", "")
        return build_domains(loaded)

    def mapped_agents(loaded):
        if isinstance(loaded.get("agents"), list):
            loaded["agents"] = {name: {} for name in loaded["agents"]}
        return build_agents(loaded)

    yamldcop._build_domains, yamldcop._build_agents = typed_domains, mapped_agents


def _sample_of_set(scenario):
    # random.sample does not accept a set since Python 3.11.
    random = scenario.random

    class Random:
        def __getattr__(self, name):
            return getattr(random, name)

        @staticmethod
        def sample(population, k):
            if isinstance(population, (set, frozenset)):
                population = sorted(population)
            return random.sample(population, k)

    scenario.random = Random()


def _name_in_header(communication):
    """Encode names of agents and computations, sent in HTTP headers, which are Latin-1.

    Names with other characters, or with blanks at the ends, are sent in the form of
    RFC 8187.  Names that pyDCOP can send by itself stay unchanged, so that for them
    only one side needs the patch, or none.
    """
    import time
    from urllib.parse import quote, unquote, urlsplit

    mark = "utf-8''"
    suspect_until = {}  # address: until when it is taken for one that does not answer
    names = ("sender-agent", "dest-agent", "sender-comp", "dest-comp")

    def encoded(value):
        try:
            value.encode("latin-1")
        except UnicodeEncodeError:
            return mark + quote(value)
        plain = value == value.strip() and not value.startswith(mark)
        return value if plain else mark + quote(value)

    requests = communication.requests
    exceptions = requests.exceptions

    class Requests:
        def __getattr__(self, name):
            return getattr(requests, name)

        @staticmethod
        def post(url, headers=None, json=None, **options):
            # With pyDCOP's timeout of 0.5 s, one lost packet or a busy orchestrator
            # ends an agent: TCP retries a connection after 1 s and 3 s.
            # An agent sends one message after the other, so one that is sent to a machine
            # without a plug keeps it from all others; the next to that one wait less.
            began, to = time.monotonic(), urlsplit(url).netloc
            options["timeout"] = (3.5 if suspect_until.get(to, 0) < began else 0.5,
                                  communication.dcop_answer_max)
            headers = {key: encoded(value) for key, value in (headers or {}).items()}
            headers["Content-Type"] = "application/json"
            try:
                answer = requests.post(url, headers=headers, data=_json_text(json), **options)
                suspect_until.pop(to, None)
                return answer
            except (exceptions.ConnectionError, exceptions.Timeout,
                    exceptions.ChunkedEncodingError) as error:
                now = time.monotonic()
                if now - began > 0.4:
                    suspect_until[to] = now + 5
                # pyDCOP's callers handle only this one; another ends the agent's thread.
                raise exceptions.ConnectionError(error)

    communication.dcop_answer_max = 30
    communication.requests = Requests()

    handler = communication.MPCHttpHandler
    parse_request = handler.parse_request

    def parse_and_decode(self):
        understood = parse_request(self)
        if understood:
            for name in names:
                value = self.headers.get(name, "")
                if value.startswith(mark):
                    self.headers.replace_header(name, unquote(value[len(mark):]))
        return understood

    handler.parse_request = parse_and_decode


def _json_text(value):
    # Algorithms put numpy's numbers into messages (`random.choice` returns them for a
    # domain of integers), which json does not encode.
    import json

    def plain(number):
        if hasattr(number, "tolist"):
            return number.tolist()
        raise TypeError("a message has a %s, which JSON cannot encode" % type(number).__name__)

    return json.dumps(value, default=plain)


def _carry_cycle(communication):
    # Synchronous algorithms of 0.1.2 note the cycle in an attribute of the message,
    # which pyDCOP does not send.
    simple_repr, from_repr = communication.simple_repr, communication.from_repr
    key = "dcop_cycle"

    def with_cycle(message):
        content = simple_repr(message)
        cycle = getattr(message, "cycle_id", None)
        if isinstance(content, dict) and cycle is not None:
            content[key] = cycle
        return content

    def from_content(content):
        cycle = content.pop(key, None) if isinstance(content, dict) else None
        message = from_repr(content)
        if cycle is not None:
            message.cycle_id = cycle
        return message

    communication.simple_repr, communication.from_repr = with_cycle, from_content


def _wait_for_orchestrator(orchestratedagents):
    # Agents of 0.1.1 register once, when they start, and this is lost while the
    # orchestrator does not run yet.  Those of 0.1.2 wait for it, in _on_start.
    import inspect
    import socket
    import threading
    import time

    agent = orchestratedagents.OrchestratedAgent
    if "return True" in inspect.getsource(agent._on_start):
        return
    original = agent.start

    def start(self):
        address = self.discovery.agent_address(orchestratedagents.ORCHESTRATOR)
        if not isinstance(address, tuple):  # `pydcop solve`: all in one process
            return original(self)

        def start_later():
            while True:
                try:
                    socket.create_connection(address, timeout=2).close()
                    break
                except OSError:
                    time.sleep(1)
            # The port is open a moment before the orchestrator answers requests.
            time.sleep(0.5)
            original(self)

        threading.Thread(target=start_later).start()

    start.at_once = original
    agent.start = start


def _serve_run(communication):
    """Let agents ask an orchestrator which run it is: GET RUN_PATH, with their names.

    The answer is JSON: `instance` (of this orchestrator's process), `pydcop` (its
    version), `open` (may agents still register?), `agents` (the arguments of their
    AgentDef in the problem, without the name), `roles` (which of them each name that asks is in this
    run, those that take part; null: all, as themselves), `replication` (the method, or null), `seed`
    (of their random numbers, or null), `metrics` (when they tell them; null: as the version
    does by itself), `about` (for people: whose run it is, or null).  The connection stays
    open until one of both ends, so that its end is noticed at once, and nothing has to be
    sent meanwhile.

    Agents answer GET ALIVE_PATH; an orchestrator, GET ERROR_PATH of an agent that fails.
    Agents that have a run ask with its `instance`, so that a program that was started again
    in the middle of a run is told from one that has lost its connection.

    Who imports pyDCOP's module may set its `dcop_left(names)`, `dcop_asked(names, instance)`
    and `dcop_error(agent, text, address)`, which the server's thread calls; address: where that agent
    is when another one tells of it, else "".
    """
    import json
    import sys
    from urllib.parse import parse_qs, urlsplit

    class Server(communication.HTTPServer):
        # http.server has a listen backlog of 5; further connections are dropped when a
        # whole class of agents registers at once.
        request_queue_size = 1024
        held_max = 1024

        def __init__(self, *arguments, **options):
            self.held = {}  # connection: names of the agents
            super().__init__(*arguments, **options)

        def shutdown_request(self, request):
            if request not in self.held:
                super().shutdown_request(request)

        def handle_error(self, request, client_address):
            try:
                super().handle_error(request, client_address)
            except OSError:
                pass  # the log is full: the server goes on without it

        def service_actions(self):  # on the server's thread, twice a second and after a request
            import select

            poll = select.poll()
            for connection in self.held:
                poll.register(connection, select.POLLIN)  # its end; agents send nothing more
            ended = {number for number, _ in poll.poll(0)}
            for connection in [c for c in self.held if c.fileno() in ended]:
                names = self.held.pop(connection)
                connection.close()
                tell("dcop_left", names)

        def hold(self, request, names):
            import socket

            if len(self.held) < self.held_max:
                request.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                self.held[request] = names

        def server_close(self):
            super().server_close()
            while self.held:
                self.held.popitem()[0].close()

    def tell(what, *about):
        listener = getattr(communication, what, None)
        if listener:
            listener(*about)

    def do_GET(self):
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        run = getattr(self.server.comm, "dcop_run", None)
        if url.path in (ALIVE_PATH, ERROR_PATH):
            if url.path == ERROR_PATH and run is not None:
                tell("dcop_error", *(query.get(key, [""])[0][:1000] for key in ("agent", "text", "at")))
            self.send_response_only(204)
            self.end_headers()
            return
        if url.path != RUN_PATH or run is None:
            self.send_error(404)
            return
        names, version = query.get("agent", []), query.get("pydcop", [""])[0]
        if version != pydcop_version():
            print(
                "agents %s at %s are refused: their machine runs pyDCOP %s, this "
                "orchestrator %s; deploy this version there"
                % (", ".join(names[:8]), self.client_address[0], version, pydcop_version()),
                file=sys.stderr, flush=True,
            )
        body = json.dumps(run(names)).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.hold(self.request, names)
        tell("dcop_asked", names, query.get("instance", [None])[0])

    layer = communication.HttpCommunicationLayer
    on_post_message = layer.on_post_message

    def on_message_for_agent(self, path, sender, dest, message):
        # Of an agent of the last run, to one that waits; or of one that this run has lost.
        if self.messaging is None or sender in getattr(self, "dcop_lost", ()):
            raise communication.UnknownComputation(message.dest_comp)
        return on_post_message(self, path, sender, dest, message)

    layer.on_post_message = on_message_for_agent
    communication.HTTPServer = Server
    communication.MPCHttpHandler.do_GET = do_GET
    communication.MPCHttpHandler.timeout = 30  # for a client that sends nothing


MESSAGE_MAX = 64 << 20  # bytes
RUN_PATH = "/dcop/run"
ALIVE_PATH = "/dcop/alive"
ERROR_PATH = "/dcop/error"


def pydcop_version():
    try:
        from pydcop.version import __version__ as version
    except ImportError:
        from importlib.metadata import version as installed

        version = installed("pydcop")
    return version


def _websocket_order(ui):
    # websocket-server 0.6 takes the host first; pyDCOP passes the port first.
    import inspect

    server = ui.WebsocketServer
    if list(inspect.signature(server.__init__).parameters)[1] == "port":
        return

    def in_order(port, host="127.0.0.1", **options):
        return server(host=host, port=port, **options)

    ui.WebsocketServer = in_order


def _carry_order(ordered_graph):
    # SyncBB: a variable sent to an agent forgot its neighbors in the order, and waited.
    Node, Link = ordered_graph.VariableComputationNode, ordered_graph.OrderLink
    simple_repr, from_repr = Node._simple_repr, Node._from_repr
    key = "dcop_order"

    def with_order(self):
        content = simple_repr(self)
        content[key] = [[link.type, link.source, link.target] for link in self.links
                        if isinstance(link, Link)]
        return content

    def from_content(cls, content):
        order = content.pop(key, [])
        node = from_repr.__func__(cls, content)
        node.links.extend(Link(*link) for link in order)
        return node

    Node._simple_repr, Node._from_repr = with_order, classmethod(from_content)


def _no_repair(agents):
    # An agent of 0.1.1 that does not replicate failed when a computation finished.
    if not hasattr(agents.ResilientAgent, "_repair_computations"):
        agents.ResilientAgent._repair_computations = {}


def _empty_terminate(syncbb):
    # The message that ends a run has two fields which nobody sets or reads.
    syncbb.SyncBBTerminateMessage.current_path = syncbb.SyncBBTerminateMessage.ub = None


def _mixed_dsa(mixeddsa):
    # 0.1.2 declares the parameter stop_cycle, and its computations do not take it.  A
    # constraint takes its values by name; in one place it was given a dict.
    import inspect

    computation = mixeddsa.MixedDsaComputation
    create = computation.__init__
    if "stop_cycle" in inspect.signature(create).parameters:
        return

    def without(self, *arguments, stop_cycle=None, **options):
        create(self, *arguments, **options)

    def is_any_soft_violated(self):
        values = dict(self._neighbors_values)
        values[self.name] = self.current_value
        return any(
            constraint(**{v.name: values[v.name] for v in constraint.dimensions})
            != self.__optimum_dict__[constraint.name]
            for constraint in self.soft_constraints
        )

    computation.__init__ = without
    computation.exists_violated_soft_constraint = is_any_soft_violated


def _tell_garbled(communication):
    """Tell messages that cannot be decoded, with whose they are.

    pyDCOP left its sender without an answer and went on without the message.  Who imports
    pyDCOP's module may set its `dcop_garbled(address, agent, text)`, which the server's thread
    calls: where the message came from, and the agent by its own word.
    """
    import io

    handler = communication.MPCHttpHandler
    do_POST = handler.do_POST

    def decode_or_tell(self):
        try:
            size = int(self.headers["Content-Length"])
            if not 0 <= size <= MESSAGE_MAX:
                raise ValueError("it has %d bytes, of at most %d" % (size, MESSAGE_MAX))
            body = self.rfile.read(size)
            if len(body) < size:
                raise ConnectionError("a message ends after %d of %d bytes" % (len(body), size))
            self.rfile.close()
            self.rfile = io.BytesIO(body)
            do_POST(self)
        except OSError:
            raise  # its connection is lost, as its sender knows
        except Exception as error:
            listener = getattr(communication, "dcop_garbled", None)
            if listener:
                about = "%s: %s" % (type(error).__name__, " ".join(str(error).split()))
                listener(self.client_address[0], self.headers.get("sender-agent", ""), about[:400])
            self.close_connection = True
            self.send_error(400)

    handler.do_POST = decode_or_tell


def _communication(communication):
    _tell_garbled(communication)
    _serve_run(communication)
    _name_in_header(communication)
    _carry_cycle(communication)


def _agents_of_orchestrator(orchestratedagents):
    from pydcop_heal import patch_agents

    _wait_for_orchestrator(orchestratedagents)
    patch_agents(orchestratedagents)


def _replication(replication):
    from pydcop_heal import patch_replication

    _replicate_once_known(replication)
    patch_replication(replication)


def _run_for_agents(orchestrator):
    """Answer agents that ask for the run; refuse those that register after its stop.

    pyDCOP asks the agents that it knows to stop, and then waits for all that it knows:
    one that registers in between is waited for until the timeout.  Set
    `Orchestrator.dcop_replication` before start() to make agents replicate, `dcop_seed` to
    seed their random numbers, `dcop_metrics` to be told their metrics, `dcop_about` to say
    whose run it is, `dcop_roles` (name: agent of the problem) to have those only.
    """
    import os

    Orchestrator, AgentsMgt = orchestrator.Orchestrator, orchestrator.AgentsMgt
    for name in ("dcop_replication", "dcop_seed", "dcop_metrics", "dcop_about", "dcop_roles"):
        setattr(Orchestrator, name, None)
    start, stop_agents = Orchestrator.start, AgentsMgt._orchestrator_stop_agents
    instance = Orchestrator.dcop_instance = os.urandom(8).hex()

    def start_and_answer(self):
        self.dcop_lost = set()
        start(self)
        definitions = self.dcop.agents

        def restarted(names):
            # A program that has ended is started again by systemd; its computations are lost.
            known = set(self.directory._agents_data) | self.dcop_lost
            return self.mgt.start_time is not None and any(name in known for name in names)

        def run(names):
            closed = self.directory.directory_computation.dcop_closed
            roles = self.dcop_roles
            if roles is not None:
                roles = {name: roles[name] for name in names if name in roles}
                names = list(roles.values())
            return {
                "instance": instance,
                "pydcop": pydcop_version(),
                "open": not closed and not restarted(names),
                "agents": {n: _definition(definitions[n]) for n in names if n in definitions},
                "roles": roles,
                "replication": self.dcop_replication,
                "seed": self.dcop_seed,
                "metrics": self.dcop_metrics,
                "about": self.dcop_about,
            }

        self._own_agt.communication.dcop_run = run

    def close_and_stop(self, *arguments):
        self._orchestrator.directory.directory_computation.dcop_closed = True
        return stop_agents(self, *arguments)

    Orchestrator.start, AgentsMgt._orchestrator_stop_agents = start_and_answer, close_and_stop


def _definition(agent):
    # pyDCOP's own simple_repr leaves out the capacity.
    values = dict(getattr(agent, "_attr", {}))
    for key in ("default_route", "routes", "default_hosting_cost", "hosting_costs", "capacity"):
        if "_" + key in vars(agent):
            values[key] = vars(agent)["_" + key]
    return values


def _refuse_late_agents(discovery):
    computation = discovery.DirectoryComputation
    computation.dcop_closed = False
    on_message = computation.on_message

    def on_message_in_time(self, sender, message, t):
        if self.dcop_closed and message.type in ("publish_agent", "publish_computation"):
            agent = getattr(message, "agents", None) or getattr(message, "agent", None)
            if agent not in self.directory._agents_data:
                return None
        return on_message(self, sender, message, t)

    computation.on_message = on_message_in_time


def _replicate_once_known(replication):
    # An agent is asked to replicate, by the orchestrator or by another agent, before it
    # has heard where the neighbors of its computations are; its thread ended then.
    import threading

    # That module does not import it in 0.1.1.
    UnknownComputation = getattr(replication, "UnknownComputation", None)
    if UnknownComputation is None:
        from pydcop.infrastructure.discovery import UnknownComputation

    computation = replication.UCSReplication
    replicate, on_message = computation.replicate, computation.on_message
    again = "dcop_replicate"

    def later(self, sender, message):
        tries = vars(self).setdefault("dcop_tries", [400])  # of 50 ms
        tries[0] -= 1
        if tries[0] < 0 or _knows_neighbors(self, UnknownComputation):
            return False
        timer = threading.Timer(0.05, self.message_sender, (sender, self.name, message, 20))
        timer.daemon = True
        timer.start()
        return True

    def replicate_later(self, k, computations=None):
        if not later(self, self.name, replication.Message(again, (k, computations))):
            replicate(self, k, computations)

    def on_message_later(self, sender, message, t):
        if message.type == again:
            self.replicate(*message.content)
        elif not later(self, sender, message):
            on_message(self, sender, message, t)

    computation.replicate, computation.on_message = replicate_later, on_message_later


def _knows_neighbors(computation, unknown):
    try:
        for definition, _ in computation.computations.values():
            for neighbor in definition.node.neighbors:
                if neighbor not in computation.computations:
                    computation.discovery.computation_agent(neighbor)
    except unknown:
        return False
    return True


def _orchestrator(orchestrator):
    _run_for_agents(orchestrator)
    _default_stop_timeout(orchestrator)


def _orchestrator_command(command):
    _address_option(9000)(command)
    run_cmd = command.run_cmd

    def run_with_replicas(args, *rest, **options):
        if getattr(args, "ktarget", None) or getattr(args, "scenario", None):
            command.Orchestrator.dcop_replication = "dist_ucs_hostingcosts"
        return run_cmd(args, *rest, **options)

    command.run_cmd = run_with_replicas


def _default_stop_timeout(orchestrator):
    # The orchestrator command of 0.1.1, when its own timeout ends, calls stop_agents
    # without one.
    import inspect

    stop_agents = orchestrator.Orchestrator.stop_agents
    parameter = inspect.signature(stop_agents).parameters.get("timeout")
    if parameter is not None and parameter.default is parameter.empty:
        stop_agents.__defaults__ = (2,)


def _address_option(default_port):
    """Give `agent` and `orchestrator` the --address (and --port) of 0.1.2.

    0.1.1 announces 127.0.0.1 to all others, so its agents must be on one machine.
    """

    def patch(command):
        import functools

        set_parser, run_cmd = command.set_parser, command.run_cmd
        Http = command.HttpCommunicationLayer
        given = {}

        def http(address, *rest, **options):
            host, port = address
            return Http(
                (given.get("address") or host, given.get("port") or port or default_port),
                *rest, **options
            )

        @functools.wraps(run_cmd)
        def run(args, *timer):  # 0.1.1 passes a timer that its run_cmd does not take
            given["address"] = args.address
            given["port"] = getattr(args, "orchestrator_port", None)
            return run_cmd(args)

        @functools.wraps(set_parser)
        def parser(subparsers):
            set_parser(subparsers)
            added = subparsers.choices[command.__name__.rpartition(".")[2]]
            if "--address" in added._option_string_actions:
                return
            command.HttpCommunicationLayer = http
            added.add_argument("--address", help="IPv4 address others reach this at")
            if "--port" not in added._option_string_actions:
                added.add_argument("--port", dest="orchestrator_port", type=int)
            added.set_defaults(func=run)

        command.set_parser = parser

    return patch


# Patches of pydcop's own modules, made after a module's code has run.
_AFTER = {
    "pydcop.algorithms.mixeddsa": _mixed_dsa,
    "pydcop.algorithms.syncbb": _empty_terminate,
    "pydcop.commands.agent": _address_option(9001),
    "pydcop.commands.orchestrator": _orchestrator_command,
    "pydcop.commands.generators.scenario": _sample_of_set,
    "pydcop.computations_graph.ordered_graph": _carry_order,
    "pydcop.dcop.relations": _set_one_value,
    "pydcop.dcop.yamldcop": _accept_012_format,
    "pydcop.infrastructure.agents": _no_repair,
    "pydcop.infrastructure.communication": _communication,
    "pydcop.infrastructure.discovery": _refuse_late_agents,
    "pydcop.infrastructure.orchestratedagents": _agents_of_orchestrator,
    "pydcop.infrastructure.orchestrator": _orchestrator,
    "pydcop.infrastructure.ui": _websocket_order,
    "pydcop.replication.dist_ucs_hostingcosts": _replication,
}


def install():
    if not any(type(finder).__name__ == "_Hook" for finder in sys.meta_path):
        sys.meta_path.insert(0, _Hook())
        sys.meta_path.append(_PulpSolversFinder())


install()
