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
    from urllib.parse import quote, unquote

    mark = "utf-8''"
    names = ("sender-agent", "dest-agent", "sender-comp", "dest-comp")

    def encoded(value):
        try:
            value.encode("latin-1")
        except UnicodeEncodeError:
            return mark + quote(value)
        plain = value == value.strip() and not value.startswith(mark)
        return value if plain else mark + quote(value)

    requests = communication.requests

    class Requests:
        def __getattr__(self, name):
            return getattr(requests, name)

        @staticmethod
        def post(url, headers=None, **options):
            # With pyDCOP's timeout of 0.5 s, one lost packet or a busy orchestrator
            # ends an agent: TCP retries a connection after 1 s and 3 s.
            options["timeout"] = (3.5, 30)
            headers = {key: encoded(value) for key, value in (headers or {}).items()}
            return requests.post(url, headers=headers, **options)

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
        def start_later():
            address = self.discovery.agent_address(orchestratedagents.ORCHESTRATOR)
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

    agent.start = start


def _larger_backlog(communication):
    # http.server has a listen backlog of 5; further connections are dropped when a
    # whole class of agents registers at once.
    class Server(communication.HTTPServer):
        request_queue_size = 1024

    communication.HTTPServer = Server


def _websocket_order(ui):
    # websocket-server 0.6 takes the host first; pyDCOP passes the port first.
    import inspect

    server = ui.WebsocketServer
    if list(inspect.signature(server.__init__).parameters)[1] == "port":
        return

    def in_order(port, host="127.0.0.1", **options):
        return server(host=host, port=port, **options)

    ui.WebsocketServer = in_order


def _communication(communication):
    _larger_backlog(communication)
    _name_in_header(communication)


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
    "pydcop.commands.agent": _address_option(9001),
    "pydcop.commands.orchestrator": _address_option(9000),
    "pydcop.commands.generators.scenario": _sample_of_set,
    "pydcop.dcop.relations": _set_one_value,
    "pydcop.dcop.yamldcop": _accept_012_format,
    "pydcop.infrastructure.communication": _communication,
    "pydcop.infrastructure.orchestratedagents": _wait_for_orchestrator,
    "pydcop.infrastructure.orchestrator": _default_stop_timeout,
    "pydcop.infrastructure.ui": _websocket_order,
}


def install():
    if not any(type(finder).__name__ == "_Hook" for finder in sys.meta_path):
        sys.meta_path.insert(0, _Hook())
        sys.meta_path.append(_PulpSolversFinder())


install()
