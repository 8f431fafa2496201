"""The orchestrator of `dcop-deploy solve`: one run of pyDCOP, told in JSON lines.

usage: python3 -I -S pydcop_orchestrator.py REQUEST FOLDER...

REQUEST is a descriptor or a file: one JSON object.  FOLDERs are where Python's modules are:
pyDCOP and its shim first.  Standard input has words, one a line: `go ADDRESS`, when the run
may begin, with this computer's address towards the agents, and `stop`; its end is a stop,
too.  Standard output has the events, one line of JSON each;
deployer/solve/orchestrator.h describes both.  Standard error is a log for people; nothing
is inferred from it.

Every wait has a deadline.  What pyDCOP tells is taken from its messages, on its own
threads, under one lock; this module's main thread decides.
"""

import io
import json
import math
import os
import sys
import threading
import time
import traceback

TICK = 0.25  # seconds between two looks
REGISTER_MAX = 15  # seconds until all agents have registered
DEPLOY_MAX = 15  # seconds without a further computation in place
STOP_MAX = 6  # seconds for agents to say that they have stopped
VALUE_MAX = 3  # seconds for values that are still on their way at the end
PROBE_EVERY, PROBE_TIMEOUT, PROBES = 2, 3, 3
HEAL_EVERY, HEAL_TIMEOUT = 1, 1.5  # likewise for a run that heals: a lost agent is found in 7 s
ALIVE_EVERY = 1  # seconds of silence
TURN_MAX = 300  # seconds without a look: the main thread hangs
COUNT_MAX = 1 << 50  # of what an agent counts: sums of them still fit into 64 bits
METRICS_MAX = 5  # seconds between two metrics, however long those take
RETURN_MAX = 2  # seconds for a launcher that has lost its connection to come back
# Algorithms that end in no result, in every version of pyDCOP.
REFUSED = {"ncbb": "pyDCOP's is unfinished and fails in its second cycle"}
# Each variable gets one value, the final one; 0.1.1 does not report their end.
CHOOSE_ONCE = {"dpop"}
DPOP_CELLS_MAX = 1000000
PREFERRED, FALLBACK = "dpop", "mgm"


class Refusal(Exception):
    """The run cannot begin, and why; `code` is dcop-deploy's exit code."""

    code = 1


class BadInput(Refusal):
    code = 2


class NotHere(Refusal):
    code = 3


class Busy(NotHere):
    """It may work in a moment."""


class Log(io.TextIOBase):
    """A stream for people.  What a full log, or a full disk, does not take is lost: whoever
    writes goes on."""

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def write(self, text):
        try:
            os.write(self.descriptor, text.encode("utf-8", "backslashreplace"))
        except OSError:
            pass
        return len(text)


class Teller:
    """Tells events to a stream; any thread may call it."""

    def __init__(self, out):
        self.out, self.writing = out, threading.Lock()
        self.began = self.told = time.monotonic()

    def __call__(self, event, **about):
        about.update(event=event, at=round(time.monotonic() - self.began, 3))
        line = json.dumps(_speakable(about))
        with self.writing:
            self.told = time.monotonic()
            try:
                self.out.write(line + "\n")
                self.out.flush()
            except OSError:
                pass  # nobody reads any more; the end of the input says so, too

    def keep_alive(self, turned, ended):
        """Tell "alive" in each silence, also while the main thread works out something.

        `turned()`: when the main thread looked last; `ended`: an event that ends this.
        """
        while not ended.wait(ALIVE_EVERY / 4):
            now = time.monotonic()
            if now - self.told >= ALIVE_EVERY and now - turned() < TURN_MAX:
                self("alive")


class Run:
    def __init__(self, request, tell):
        self.request, self.tell = request, tell
        # The name of an agent on its machine: its name in the problem.
        self.roles = request.get("roles") or {name: name for name in request.get("agents", [])}
        self.lock = threading.Condition()
        self.go = self.stop = False
        self.failure = None
        self.registered, self.deployed, self.finished = {}, set(), set()
        self.values, self.changed, self.cycle = {}, set(), 0
        self.metrics, self.stopped, self.left, self.gone = {}, set(), {}, {}
        self.probed, self.probe_events = {}, {}  # when an answered probe began; to probe at once
        self.healing, self.player, self.notes = None, None, []
        self.ending = False
        self.deploying = False  # from here on an agent that is started again has lost something
        self.started, self.next_metrics, self.turned = None, 0, time.monotonic()
        self.limit, self.held = None, False  # when its time is up; whether no news are told

    # --- before the start ---------------------------------------------------------

    def open_port(self):
        """Listen at once: the machines try to connect while pyDCOP is imported."""
        import socket

        from dcop_early import Early

        port = self.request["port"]
        self.socket = socket.socket()
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(("0.0.0.0", port))
            self.socket.listen(1024)
        except OSError as error:
            raise Busy("port %d of this computer: %s" % (port, self.who_listens(port, error)))
        self.early, self.opened = Early(self.socket, self.request.get("about")), threading.Event()

    def open_run(self):
        """From here on pyDCOP's server answers."""
        self.early.end()
        self.opened.set()

    def prepare(self):
        import random

        import yaml

        self.seed = self.request["seed"]
        random.seed(self.seed)
        text = self.request["problem"]
        try:
            problem = yaml.load(text, yaml.FullLoader)
            self.refuse_sources(problem)
            from pydcop.dcop.yamldcop import load_dcop

            self.dcop = load_dcop(text)
            from dcop_cost import Costs

            self.costs = Costs(problem)
        except Refusal:
            raise
        except Exception as error:
            raise BadInput("pyDCOP cannot read the problem: %s: %s" % (type(error).__name__, error))
        self.take_agents()
        self.choose()
        self.choose_healing()
        self.listen()

    @staticmethod
    def refuse_sources(problem):
        for name, constraint in (problem.get("constraints") or {}).items():
            if isinstance(constraint, dict) and "source" in constraint:
                raise Refusal("the constraint %s has a Python file (source: %s), which pyDCOP "
                              "cannot send to machines; write the function into the problem"
                              % (name, constraint["source"]))

    def take_agents(self):
        here = set(self.request["agents"])
        agents = {name: a for name, a in self.dcop.agents.items() if name in here}
        unknown = here - set(agents)
        if unknown:
            raise Refusal("not in the problem: " + ", ".join(sorted(unknown)))
        self.dcop._agents_def = agents

    def choose(self):
        """The algorithm with its graph, and the distribution."""
        import importlib

        from pydcop.algorithms import list_available_algorithms

        name = self.request.get("algorithm")
        known = sorted(list_available_algorithms())
        if name and name not in known:
            raise BadInput("this pyDCOP has no algorithm %s; it has %s" % (name, ", ".join(known)))
        if name in REFUSED:
            raise Refusal("%s cannot be used: %s" % (name, REFUSED[name]))
        if not name:
            name = self.default_algorithm(importlib)
        self.use_algorithm(importlib, name)
        self.distribute(importlib)

    def use_algorithm(self, importlib, name):
        import pydcop.algorithms

        load = getattr(pydcop.algorithms, "load_algorithm_module", None)  # of 0.1.2
        self.module = load(name) if load else importlib.import_module("pydcop.algorithms." + name)
        for function in ("computation_memory", "communication_load"):
            if not hasattr(self.module, function):
                setattr(self.module, function, lambda *arguments, **options: 0)
        graph = importlib.import_module("pydcop.computations_graph." + self.module.GRAPH_TYPE)
        try:
            self.graph = graph.build_computation_graph(self.dcop)
        except Exception as error:
            raise Refusal("%s does not fit this problem: %s" % (name, error))
        self.computations = [node.name for node in self.graph.nodes]
        self.name, self.algorithm = name, self.define(name)

    def define(self, name):
        from pydcop.commands._utils import build_algo_def

        given = self.request.get("parameters") or []
        known = getattr(self.module, "algo_params", [])  # in 0.1.1 a function
        known = [] if callable(known) else [parameter.name for parameter in known]
        for parameter in given:
            if known and parameter.partition(":")[0] not in known:
                raise BadInput("%s has no parameter %s; it has %s" % (
                    name, parameter.partition(":")[0], ", ".join(known)))
        try:
            return build_algo_def(self.module, name, self.dcop.objective, given or None)
        except (SystemExit, Exception) as error:
            raise BadInput("%s does not take these parameters (%s)%s" % (
                name, ", ".join(given), "" if isinstance(error, SystemExit) else ": %s" % error))

    def default_algorithm(self, importlib):
        if self.request.get("replicas"):
            self.notes.append("algorithm mgm, which finds a good assignment: dpop cannot be healed")
            return FALLBACK
        enough = len(self.dcop.agents) >= len(self.dcop.variables)
        named = self.request.get("distribution")
        cells = self.dpop_cells(importlib) if enough and named in (None, "oneagent") else None
        if cells is not None and cells <= DPOP_CELLS_MAX:
            self.notes.append("algorithm dpop: the best assignment")
            return PREFERRED
        why = "there are fewer agents than variables" if not enough else "dpop's tables would be too large"
        if enough and cells is None:
            why = "dpop does not fit"
        self.notes.append("algorithm mgm, which finds a good assignment: %s" % why)
        return FALLBACK

    def dpop_cells(self, importlib):
        """The size of the largest table that dpop would compute; None when it does not fit."""
        try:
            graph = importlib.import_module("pydcop.computations_graph.pseudotree")
            tree = graph.build_computation_graph(self.dcop)
            parents, children = {}, {}
            for node in tree.nodes:
                links = {kind: set() for kind in ("parent", "pseudo_parent", "children", "pseudo_children")}
                for link in node.links:
                    links[link.type].add(link.target)
                parents[node.name] = links["parent"] | links["pseudo_parent"]
                children[node.name] = links["children"]
        except Exception:
            return None
        size = {v.name: len(v.domain) for v in self.dcop.variables.values()}
        separators, most = {}, 1
        order = [name for name in parents if not parents[name]]
        for name in order:
            order.extend(children[name])
        for name in reversed(order):
            held = set(parents[name])
            for child in children[name]:
                held |= separators[child]
            separators[name] = held - {name}
            cells = size[name]
            for other in separators[name]:
                cells *= size[other]
                if cells > DPOP_CELLS_MAX:
                    return cells
            most = max(most, cells)
        return most

    def distribute(self, importlib):
        import shutil

        agents = list(self.dcop.agents.values())
        name, text = self.request.get("distribution"), self.request.get("placement")
        if not name and not text:
            name = "oneagent" if len(agents) >= len(self.computations) else "adhoc"
            self.notes.append("distribution %s: %d computations on %d agents"
                              % (name, len(self.computations), len(agents)))
        self.distribution_name = name or "file"
        try:
            if text:
                from pydcop.distribution.yamlformat import load_dist

                self.distribution = load_dist(text)
            else:
                if name == "oneagent" and len(agents) < len(self.computations):
                    raise Refusal("%s has %d computations here and there are %d agents: the "
                                  "distribution oneagent needs one agent for each; give "
                                  "--distribution adhoc" % (self.name, len(self.computations), len(agents)))
                if "fgdp" in name and self.module.GRAPH_TYPE != "factor_graph":
                    raise Refusal("the distribution %s is for algorithms on factor graphs, such as maxsum; "
                                  "%s is not one: give --distribution oneagent or adhoc" % (name, self.name))
                if "ilp" in name and not shutil.which("glpsol"):
                    raise NotHere("the distribution %s needs glpsol on this computer: "
                                  "apt install glpk-utils" % name)
                module = importlib.import_module("pydcop.distribution." + name)
                self.distribution = module.distribute(
                    self.graph, agents, hints=self.dcop.dist_hints,
                    computation_memory=self.module.computation_memory,
                    communication_load=self.module.communication_load)
        except Refusal:
            raise
        except ImportError:
            raise BadInput("this pyDCOP has no distribution %s" % name)
        except NotImplementedError:
            raise Refusal("%s has no size of its computations, which the distribution %s needs; "
                          "give --distribution oneagent, with an agent for each of its %d computations"
                          % (self.name, self.distribution_name, len(self.computations)))
        except Exception as error:
            without = [a.name for a in agents if not _has_capacity(a)]
            if without and isinstance(error, AttributeError):
                raise Refusal("the distribution %s needs the agents' capacity, and the problem has none "
                              "for %s: write `capacity: 100` there" % (self.distribution_name, _some(without)))
            raise Refusal("the distribution %s finds no place for the %d computations on %d agents: "
                          "%s: %s" % (self.distribution_name, len(self.computations), len(agents),
                                      type(error).__name__, error))
        self.check_distribution()

    def check_distribution(self):
        hosts = {}
        for agent in self.distribution.agents:
            for computation in self.distribution.computations_hosted(agent):
                hosts.setdefault(computation, []).append(agent)
        unknown = sorted(set(hosts) - set(self.computations))
        if unknown:
            raise BadInput("the distribution %s places computations that %s does not have here: %s; it has %s" % (
                self.distribution_name, self.name, _some(unknown), _some(sorted(self.computations))))
        twice = sorted(computation for computation, placed in hosts.items() if len(placed) > 1)
        if twice:
            raise BadInput("the distribution %s places computations on several agents: %s"
                           % (self.distribution_name, _some(twice)))
        absent = sorted({a for placed in hosts.values() for a in placed} - set(self.dcop.agents))
        if absent:
            raise Refusal("the distribution places computations on agents that are not here: "
                          + ", ".join(absent))
        lost = sorted(set(self.computations) - set(hosts))
        if lost:
            raise Refusal("the distribution %s leaves %d computations without an agent: %s"
                          % (self.distribution_name, len(lost), ", ".join(lost[:8])))
        self.hosts = {computation: placed[0] for computation, placed in hosts.items()}
        self.agents = sorted(set(self.hosts.values()))

    def choose_healing(self):
        if not self.request.get("replicas"):
            return
        from dcop_heal import Healing

        self.healing = Healing(self, self.request["replicas"])
        reason = self.healing.refusal()
        if reason:
            raise Refusal(reason)
        self.healing.give_capacity()
        if self.request.get("scenario") is not None:
            import dcop_scenario

            try:
                events = dcop_scenario.read(self.request["scenario"], self.agents, self.request["time_limit"])
            except dcop_scenario.BadScenario as error:
                raise BadInput("the scenario: %s" % error)
            self.player = dcop_scenario.Player(self, events)

    def listen(self):
        from pydcop.infrastructure import communication, orchestrator

        communication.dcop_left, communication.dcop_error = self.on_left, self.on_error
        communication.dcop_asked, communication.dcop_garbled = self.on_asked, self.on_garbled
        orchestrator.Orchestrator.dcop_seed = self.seed
        orchestrator.Orchestrator.dcop_metrics = "value_change"
        orchestrator.Orchestrator.dcop_about = self.request.get("about")
        orchestrator.Orchestrator.dcop_roles = self.roles
        if self.healing:
            orchestrator.Orchestrator.dcop_replication = "dist_ucs_hostingcosts"
        given, opened = self.socket, self.opened

        class Server(communication.HTTPServer):
            def server_bind(self):
                self.socket.close()
                self.socket = given

            def server_activate(self):
                pass  # it listens

            def serve_forever(self, *arguments, **options):
                opened.wait()
                super().serve_forever(*arguments, **options)

        communication.HTTPServer = Server
        comm = communication.HttpCommunicationLayer(("0.0.0.0", self.request["port"]))
        self.orchestrator = orchestrator.Orchestrator(
            self.algorithm, self.graph, self.distribution, comm, self.dcop, 10000,
            collect_moment="value_change")
        self.orchestrator.repair_only = False
        self.mgt = self.orchestrator.mgt
        self.instance = self.orchestrator.dcop_instance

    @staticmethod
    def who_listens(port, error):
        import http.client

        words = "%s; end the program that listens there" % error.strerror
        try:
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            link.request("GET", "/dcop/run")
            answer = link.getresponse()
            if answer.status == 200:
                about = json.loads(answer.read(65536).decode()).get("about")
                words = "another orchestrator is at work there"
                if about:
                    words = "another run is on: %s" % about
                words += "; wait for its end, or stop it"
            link.close()
        except (OSError, ValueError, http.client.HTTPException):
            pass
        return words

    # --- what pyDCOP tells, on its threads --------------------------------------------

    def hear(self):
        handlers = self.mgt._msg_handlers
        handlers["value_change"] = self.guard(self.on_value)
        handlers["end_of_computation"] = self.guard(self.on_finished)
        handlers["stopped"] = self.guard(self.on_stopped)
        handlers["metrics"] = self.guard(self.on_metrics)
        registration, computation = self.mgt._cb_agent_registration, self.mgt._cb_computation_registration

        def on_registration(event, agent, address):
            registration(event, agent, address)
            if event == "agent_added" and not _is_address(address):
                self.lose(agent, "it registered at %s, which is no address" % str(address)[:100])
                return
            with self.lock:
                if event == "agent_added":
                    self.registered[agent] = address
                else:
                    self.leave(agent)
                self.lock.notify_all()

        def on_computation(event, name, agent):
            computation(event, name, agent)
            with self.lock:
                if event == "computation_added" and name in self.hosts:
                    self.deployed.add(name)
                self.lock.notify_all()

        send = self.mgt._send_mgt_msg

        def send_to_those_here(agent, message):
            # Those that heal pause and go on by messages of ours.
            ours = self.healing and message.type in ("pause_computations", "resume_computations")
            if agent not in self.gone and not ours:
                send(agent, message)

        def send_other(message, t):
            send_to_those_here(*message.content)

        def dismiss(message, t):
            send(*message.content)

        self.mgt.on_message = self.on_message
        self.mgt._cb_agent_registration = on_registration
        self.mgt._cb_computation_registration = on_computation
        self.mgt._send_mgt_msg = send_to_those_here
        self.mgt._orchestrator_dcop_send = send_other
        self.mgt._orchestrator_dcop_dismiss = dismiss
        if self.healing:
            self.healing.hear()
        own = self.orchestrator._own_agt
        handle = own._handle_message

        def handle_or_blame(sender, dest, message, t):
            try:
                handle(sender, dest, message, t)
            except Exception as error:
                self.blame(sender, str(getattr(message, "type", None)), error)

        own._handle_message = handle_or_blame
        self.orchestrator.set_error_handler(lambda error: self.fail(
            "the orchestrator failed: %s: %s" % (type(error).__name__, error)))

    def on_message(self, sender, message, t):
        """For pyDCOP's management of agents, which stopped them and went on when it failed."""
        agent = self.agent_of(sender)
        if agent in self.gone:
            return  # it is cut off, and was replaced
        kind = getattr(message, "type", None)
        try:
            handler = self.mgt._msg_handlers.get(kind)
            if handler:
                handler(sender, message, t)
            elif kind.startswith("_orchestrator_") and agent not in self.dcop.agents:
                getattr(self.mgt, kind)(message, t)
            else:
                raise ValueError("there is no such message")
        except Exception as error:
            self.blame(sender, str(kind), error)

    def guard(self, handler):
        def handle(sender, message, t):
            try:
                with self.lock:
                    handler(message)
                    self.lock.notify_all()
            except Exception as error:
                self.blame(sender, str(message.type), error)

        return handle

    @staticmethod
    def agent_of(sender):
        """The agent whose computation has sent a message; pyDCOP's names."""
        for prefix in ("_mgt_", "_discovery_", "_replication_"):
            if isinstance(sender, str) and sender.startswith(prefix):
                return sender[len(prefix):]
        return None

    def blame(self, sender, kind, error):
        """A message cannot be handled: its agent is lost; that of nobody ends the run."""
        traceback.print_exc()
        agent = self.agent_of(sender)
        about = "%s: %s" % (type(error).__name__, " ".join(str(error).split())[:400])
        if agent in self.dcop.agents:
            self.lose(agent, "its message %s cannot be understood: %s" % (kind[:100], about))
        else:
            self.fail("the orchestrator failed on the message %s of %s: %s" % (
                kind[:100], str(sender)[:100], about))

    def on_garbled(self, address, agent, text):
        """Bytes from that address cannot be decoded; they are of that agent, by its own word."""
        with self.lock:
            here = sorted(name for name, (its, _) in self.registered.items() if its == address)
        if here and agent not in here:
            agent = here[0]
        print("a message of agent %s at %s cannot be understood: %s" % (agent, address, text), file=sys.stderr)
        if here and agent in self.dcop.agents:
            self.lose(agent, "its message cannot be understood: " + text)

    def on_value(self, message):
        if message.computation not in self.dcop.variables:
            return
        value = self.value_of(message.computation, _plain(message.value))
        if value is None:  # not chosen yet, or none of the variable's
            self.values.pop(message.computation, None)
            self.changed.discard(message.computation)
        else:
            self.values[message.computation] = value
            self.changed.add(message.computation)
        if _is_count(message.cycle):
            self.cycle = max(self.cycle, message.cycle)
        self.on_metrics(message)

    def value_of(self, variable, told):
        """The value of the variable's domain that an agent tells, or None."""
        return next((value for value in self.dcop.variables[variable].domain if value == told), None)

    def on_metrics(self, message):
        metrics = message.metrics
        if message.agent in self.dcop.agents and isinstance(metrics, dict):
            self.metrics[message.agent] = [sum(_counts(metrics, key)) for key in (
                "count_ext_msg", "size_ext_msg")]
            self.cycle = max([self.cycle] + _counts(metrics, "cycles"))

    def on_finished(self, message):
        if message.computation in self.hosts:
            self.finished.add(message.computation)

    def on_stopped(self, message):
        self.on_metrics(message)
        if message.agent in self.dcop.agents:
            self.leave(message.agent)

    def leave(self, agent):
        """An agent has stopped; before it was asked to, it has left the others alone."""
        if not self.ending:
            self.lose(agent, "it has left the run")
        self.stopped.add(agent)

    def on_left(self, names):
        with self.lock:
            for name in self.in_problem(names):
                self.left[name] = time.monotonic()
            self.lock.notify_all()

    def in_problem(self, names):
        return [self.roles[name] for name in names if name in self.roles]

    def on_asked(self, names, instance):
        """A launcher asks for the run; `instance`: the one that its agents have."""
        if self.deploying and instance != self.instance:
            for name in self.in_problem(names):
                if name in self.registered:
                    self.lose(name, "its program has started again, without its computations")

    def on_error(self, agent, text, address=""):
        """It has failed, by its own word, or by that of another one that met it at this address."""
        known = self.registered.get(agent)
        if address and (not known or known[0] != address):
            print("of agent %s at %s, which is not there: %s" % (agent, address, text), file=sys.stderr)
        elif agent in self.dcop.agents:
            self.lose(agent, text or "its program failed")

    def fail(self, text):
        with self.lock:
            self.failure = self.failure or text
            self.lock.notify_all()

    def lose(self, agent, why):
        with self.lock:
            if agent in self.gone or agent in self.stopped:
                return
            self.gone[agent] = why
            self.lock.notify_all()
        self.tell("gone", agent=agent, reason=why)

    def lose_program(self, agent, why):
        """All agents of a machine are one program."""
        with self.lock:
            address = self.registered[agent][0]
            agents = [name for name, (its, _) in self.registered.items() if its == address]
        for name in [agent] + sorted(agents):
            self.lose(name, why)

    # --- is everybody there? ------------------------------------------------------------

    def probe(self, agent, address):
        """Ask the agent's program for a sign of life until the end; on a thread of its own."""
        import http.client

        failures, timeout = 0, HEAL_TIMEOUT if self.healing else PROBE_TIMEOUT
        while not self.ending and agent not in self.gone:
            why, began = None, time.monotonic()
            try:
                link = http.client.HTTPConnection(*address, timeout=timeout)
                link.request("GET", "/dcop/alive")
                link.getresponse().read()
                link.close()
                self.probed[agent] = began
            except ConnectionRefusedError:
                why = "its program has ended"
            except (OSError, http.client.HTTPException) as error:
                why = "it does not answer on port %d (%s)" % (address[1], str(error) or type(error).__name__)
            failures = failures + 1 if why else 0
            if failures >= PROBES and not self.ending:
                self.lose_program(agent, why)
            self.probe_events[agent].wait(0.3 if why else HEAL_EVERY if self.healing else PROBE_EVERY)
            self.probe_events[agent].clear()

    def probe_now(self):
        for event in self.probe_events.values():
            event.set()

    def look_for_left(self):
        """Launchers that have lost their connection and did not come back."""
        now = time.monotonic()
        with self.lock:
            held = {name for names in list(self.httpd.held.values()) for name in self.in_problem(names)}
            lost = [name for name, since in self.left.items() if now - since > RETURN_MAX]
            for name in lost:
                del self.left[name]
            lost = [name for name in lost if name in self.registered and name not in held]
        for name in lost:
            self.lose_program(name, "its program has ended")

    @property
    def httpd(self):
        return self.orchestrator._own_agt.communication.httpd

    # --- the run -----------------------------------------------------------------------------

    def carry_out(self):
        """All of it from "go" on; the result, in any case."""
        try:
            status, reason = self.work()
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            status, reason = "failed", "the orchestrator failed: %s: %s" % (type(error).__name__, error)
            self.stop_after_failure()
        try:
            return self.result(status, reason)
        except Exception as error:
            traceback.print_exc()
            return {"status": "failed", "assignment": dict(self.values), "reason": reason or
                    "the result cannot be worked out: %s: %s" % (type(error).__name__, error)}

    def stop_after_failure(self):
        self.ended = time.monotonic()
        try:
            self.finish()
        except Exception:
            traceback.print_exc()

    def work(self):
        """The status of its end, and the reason of one that is not good."""
        self.httpd.comm._address = (self.address, self.request["port"])
        self.hear()
        self.orchestrator.start()
        self.open_run()
        self.tell("listening", port=self.request["port"])
        status, reason = self.register()
        if status is None:
            status, reason = self.deploy()
        if status is None and self.healing:
            status, reason = self.healing.replicate()
        if status is None:
            self.run_computations()
            status, reason = self.solve()
        self.finish()
        return status, reason

    def trouble(self):
        """(status, reason) when the run is to end, else (None, None)."""
        if self.failure:
            return "failed", self.failure
        heals = self.healing and self.started is not None
        for agent in self.agents:
            if agent in self.gone and not heals:
                return "failed", "agent %s has gone: %s" % (agent, self.gone[agent])
        if self.stop:
            return "stopped", "stopped by the user"
        if self.limit and time.monotonic() > self.limit:
            return "timeout", None
        return None, None

    def look(self):
        """One turn of each wait: tells what is new."""
        self.turned = time.monotonic()
        if self.started is not None:
            self.look_for_left()
        with self.lock:
            self.lock.wait(TICK)
        self.tell_news()

    def register(self):
        told, deadline = set(), time.monotonic() + REGISTER_MAX
        while True:
            self.look()
            here = set(self.registered)  # one that comes meanwhile is told in the next turn
            for agent in sorted(here - told):
                told.add(agent)
                self.tell("registered", agent=agent, address=self.registered[agent][0],
                          count=len(told & set(self.agents)), of=len(self.agents))
            missing = [agent for agent in self.agents if agent not in here]
            status, reason = self.trouble()
            if status or not missing:
                return status, reason
            if time.monotonic() > deadline:
                for agent in missing:
                    self.tell("unregistered", agent=agent)
                return "failed", "%s did not register within %d s" % (_some(missing), REGISTER_MAX)

    def deploy(self):
        self.deploying = True
        self.orchestrator.deploy_computations(once_registered=False)
        for agent in self.agents:
            self.probe_events[agent] = threading.Event()
            threading.Thread(target=self.probe, args=(agent, self.registered[agent]), daemon=True).start()
        known, since = 0, time.monotonic()
        while True:
            self.look()
            status, reason = self.trouble()
            if status or len(self.deployed) == len(self.hosts):
                return status, reason
            if len(self.deployed) != known:
                known, since = len(self.deployed), time.monotonic()
            elif time.monotonic() - since > DEPLOY_MAX:
                late = sorted({a for c, a in self.hosts.items() if c not in self.deployed})
                return "failed", "%s did not take the computations within %d s" % (_some(late), DEPLOY_MAX)

    def run_computations(self):
        self.orchestrator._mgt_method("_orchestrator_run_computations", None)
        self.started = time.monotonic()
        self.limit = self.started + self.request["time_limit"]
        self.tell("started", computations=len(self.hosts), agents=len(self.agents))

    def solve(self):
        done = None
        while True:
            self.look()
            if self.player:
                self.player.play()
            now = time.monotonic()
            complete = len(self.values) >= len(self.dcop.variables)
            if len(self.finished & set(self.hosts)) == len(self.hosts) or (
                    complete and self.name in CHOOSE_ONCE):
                done = done or now
                if complete or now - done > VALUE_MAX:
                    self.ended = done
                    return "finished", None
            status, reason = self.trouble()
            if status is None and self.healing and self.healing.is_new_loss():
                status, reason = self.healing.repair()
                done = None
            if status:
                self.ended = time.monotonic()
                return status, reason

    def finish(self):
        self.ending = True
        self.probe_now()
        self.tell("stopping")
        if not self.registered:
            return
        self.orchestrator._mgt_method("_orchestrator_stop_agents", None)
        deadline = time.monotonic() + STOP_MAX
        while time.monotonic() < deadline:
            if all(a in self.stopped or a in self.gone for a in self.registered):
                break
            with self.lock:
                self.lock.wait(TICK)
        self.tell_news(True)

    # --- what is told ----------------------------------------------------------------------------

    def messages(self):
        metrics = list(self.metrics.values())
        return sum(count for count, _ in metrics), sum(size for _, size in metrics)

    def tell_news(self, last=False):
        """Values that have changed, and the metrics; costly ones less often."""
        if self.started is None or (self.held and not last):
            return
        now = time.monotonic()
        with self.lock:
            changed, self.changed = {name: self.values[name] for name in self.changed}, set()
            values = dict(self.values)
        if changed:
            self.tell("values", values=changed)
        if now < self.next_metrics and not last:
            return
        cost = violations = None
        if len(values) == len(self.dcop.variables):
            try:
                cost, violations = self.costs.of(values)
            except Exception:
                pass  # the result says why
        count, size = self.messages()
        self.tell("metrics", time=round(now - self.started, 3), cycle=self.cycle, cost=_plain(cost),
                  violations=violations, messages=count, bytes=size)
        ended = time.monotonic()
        self.next_metrics = ended + min(max(2 * TICK, 20 * (ended - now)), METRICS_MAX)

    def result(self, status, reason):
        """The result: what pyDCOP found, and what it costs by its own word and by ours."""
        values = {name: self.values[name] for name in self.dcop.variables if name in self.values}
        missing = [name for name in self.dcop.variables if name not in values]
        count, size = self.messages()
        result = {"status": status, "reason": reason, "assignment": values, "missing": missing,
                  "cost": None, "violations": None, "cycles": self.cycle, "messages": count,
                  "bytes": size, "time": 0}
        if self.healing:
            result["repairs"] = self.healing.repairs
        if self.started is not None:
            result["time"] = round(getattr(self, "ended", self.started) - self.started, 3)
        if missing:
            if status in ("finished", "timeout"):
                result["reason"] = "the run ended and %s without a value" % (
                    "%d of %d variables are" % (len(missing), len(self.dcop.variables))
                    if len(missing) > 1 else "%s is" % missing[0])
                result["status"] = "failed"
            return result
        try:
            cost, violations = self.costs.of(values)
            result.update(cost=_plain(cost), violations=violations)
            said = self.cost_of_pydcop(values)
            if said and not self.costs.agrees(values, *said):
                result.update(status="failed", reason="pyDCOP says that the assignment costs %s with %d "
                              "violations, the problem says %s with %d" % (said + (cost, violations)))
        except Exception as error:
            result.update(status="failed", reason="the assignment is not one of the problem's: %s: %s"
                          % (type(error).__name__, error))
        return result

    def cost_of_pydcop(self, values):
        """Cost and violations, or None: 0.1.1 cannot tell with external variables."""
        try:
            violations, cost = self.dcop.solution_cost(values, 10000)
        except ValueError:
            if self.dcop.external_variables:
                return None
            raise
        return cost, violations


def _speakable(value):
    """What the reader's JSON can hold: no NaN, no Infinity, integers of 64 bits, strings that
    are Unicode without the character 0."""
    if isinstance(value, dict):
        return {_speakable(str(key)): _speakable(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_speakable(one) for one in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
            return int(value)
        try:
            return float(value) if math.isfinite(value) else None
        except OverflowError:
            return None
    return str(value).encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _plain(value):
    return value.tolist() if hasattr(value, "tolist") else value


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNT_MAX


def _counts(metrics, key):
    """The numbers of one of an agent's metrics; it may have sent anything."""
    counts = metrics.get(key)
    return [count for count in counts.values() if _is_count(count)] if isinstance(counts, dict) else []


def _is_address(address):
    """Where an agent listens: an IPv4 address and a port."""
    import ipaddress

    try:
        host, port = address
        return bool(ipaddress.IPv4Address(str(host))) and isinstance(port, int) and 0 < port < 65536
    except (TypeError, ValueError):
        return False


def _has_capacity(agent):
    try:
        return agent.capacity is not None
    except AttributeError:  # pyDCOP's own
        return False


def _some(names):
    return ", ".join(names[:8]) + (" and %d more" % (len(names) - 8) if len(names) > 8 else "")


def _listen_to_words(run):
    for line in sys.stdin:
        with run.lock:
            word, _, address = line.strip().partition(" ")
            if word == "go":
                run.go, run.address = True, address
            elif line.strip() == "stop":
                if not run.go:
                    os._exit(1)
                run.stop = True
            run.lock.notify_all()
    with run.lock:
        if not run.go:  # nobody waits for what is prepared, which may take for ever
            os._exit(1)
        run.stop = True
        run.lock.notify_all()


def main():
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogateescape")
    os.dup2(2, 1)  # pyDCOP prints
    sys.stdout = sys.stderr = Log(2)
    tell = Teller(out)
    sys.path[:] = [os.path.dirname(os.path.abspath(__file__))] + sys.argv[2:] + [
        path for path in sys.path if path not in ("", os.path.dirname(os.path.abspath(__file__)))]
    with open(int(sys.argv[1]) if sys.argv[1].isdigit() else sys.argv[1], encoding="utf-8") as text:
        request = json.load(text)
    run = Run(request, tell)
    threading.Thread(target=_listen_to_words, args=(run,), daemon=True).start()
    status = 1
    try:
        if "generate" not in request:
            run.open_port()
        if "hold" in request:
            tell("held", port=request["port"])
            while True:  # _listen_to_words ends this process
                time.sleep(3600)
        import pydcop_shim

        if "generate" in request:
            from pydcop_generate import generate

            try:
                tell("generated", text=generate(request["generate"], request["seed"]))
            except ValueError as error:
                raise BadInput(str(error))
            return 0
        run.prepare()
        tell("prepared", algorithm=run.name, parameters=getattr(run.algorithm, "params", {}),
             distribution=run.distribution_name, computations=len(run.computations),
             variables=len(run.dcop.variables),
             hosts=run.hosts, notes=run.notes, pydcop=pydcop_shim.pydcop_version(),
             python="%d.%d" % sys.version_info[:2])
        with run.lock:
            while not run.go and not run.stop:
                run.lock.wait(1)
        if not run.go:
            return 1
        run.turned = time.monotonic()
        threading.Thread(target=tell.keep_alive, args=(lambda: run.turned, threading.Event()),
                         daemon=True).start()
        tell("result", **run.carry_out())
        status = 0
    except Refusal as refusal:
        tell("refused", reason=str(refusal), code=refusal.code, busy=isinstance(refusal, Busy))
    except Exception as error:
        traceback.print_exc()
        tell("refused", reason="%s: %s" % (type(error).__name__, error), code=1)
    sys.stderr.flush()
    # pyDCOP's threads do not all end.
    os._exit(status)


if __name__ == "__main__":
    main()
