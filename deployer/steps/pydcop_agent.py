"""Start the command line of any pyDCOP version, and this machine's agents.

The console scripts `pydcop` and `dcop-agent` of a version call main() and agent().

pyDCOP's agents register once, with whichever orchestrator answers first, and end with
it.  So dcop-agent is two processes.  The parent asks the orchestrator which run it is
(`_serve_run` in pydcop_shim.py) and holds that connection, whose end is the run's end.
The child listens on the agents' ports and waits for the parent's word, which is the
run, before it makes its agents and registers them.  A child serves one run: when its
agents have been dismissed, or their orchestrator has ended, the parent forks the next
one, which takes no time because pyDCOP is already imported.  No child gets the run that
dismissed an earlier one, nor a run that is ending or has another version of pyDCOP, or
that wants none of these agents.  An agent may have a role in a run: it takes part under
the name of another one.
"""

import http.client
import importlib.util
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import threading
import time
import traceback
from urllib.parse import urlencode

AGENTS = "/etc/dcop/agents"  # one name per line, any bytes
SETTINGS = "/etc/dcop/agent.conf"  # `key value` lines: orchestrator, address, port, uiport
DEFAULT_PORT = 9001
# Notes for the machine's beacon and for dcop-deploy: `err`, what is wrong, in one line;
# `work`, the agents that are at work in a run, one a line; `address`, where they register.  For the
# launcher itself: `moved`, the address for which it has started again.
NOTES = "/run/dcop/agent"
NOTE_MAX = 400  # bytes
DOES_NOT_START = 70  # exit status: pyDCOP cannot be imported here (90-alive)
NETWORK = "/run/dcop/network"  # what the unit lets the agents reach; agent-state writes it
RUN_PORT = "/run/dcop/run-port"  # where at the orchestrator's address; dcop-deploy writes it over SSH
RETRY = 0.5  # seconds between two looks for an orchestrator
ANSWER_MAX = 1 << 20
RUN_PORT_MAX = 10  # seconds without an answer there; its orchestrator may not listen yet
GARBLED_MAX = 100  # agents whose messages cannot be understood


def _command_line():
    """pyDCOP's module with main(): dcop_cli.py, or in 0.1.1 dcop.py beside dcop/."""
    import pydcop

    folder = os.path.dirname(pydcop.__file__)
    for name in ("dcop_cli.py", "dcop.py"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            spec = importlib.util.spec_from_file_location("pydcop.dcop_cli", path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    sys.exit("pydcop: this pyDCOP has neither dcop_cli.py nor dcop.py")


def _import_algorithms():
    """A run loads them by name; that a package is missing is to be known before.

    Another fault of an algorithm that nobody may use is no reason to start none.
    """
    spec = importlib.util.find_spec("pydcop.algorithms")
    for module in pkgutil.iter_modules(spec and spec.submodule_search_locations or []):
        try:
            importlib.import_module("pydcop.algorithms." + module.name)
        except ImportError as error:
            sys.exit("algorithm %s: %s: %s" % (module.name, type(error).__name__, error))
        except Exception as error:
            print("algorithm %s cannot be used: %s: %s" % (module.name, type(error).__name__, error),
                  file=sys.stderr, flush=True)


def main():
    command_line = _command_line()
    if sys.argv[1:] == ["--version"]:
        _import_algorithms()
        if not hasattr(command_line, "__version__"):
            # 0.1.1 has no such option.
            from importlib.metadata import version

            print("pydcop", version("pydcop"))
            return None
    return command_line.main()


def agent():
    """Run the agents named in AGENTS, for one orchestrator after the other."""
    import argparse

    with open(AGENTS, encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        names = [name for name in lines.read().split("\n") if name]
    if not names:
        sys.exit("dcop-agent: no agent name in " + AGENTS)
    settings = _settings()
    host, _, port = settings.get("orchestrator", "").partition(":")
    if not host:
        sys.exit("dcop-agent: no orchestrator in " + SETTINGS)
    port = int(port or 9000)

    try:
        command_line = _command_line()
        from pydcop.commands import agent as command

        _import_algorithms()
    except BaseException as error:
        if not isinstance(error, SystemExit):
            traceback.print_exc()
        elif isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        sys.exit(DOES_NOT_START)

    parser = argparse.ArgumentParser()
    command.set_parser(parser.add_subparsers())
    # The names bypass the parser, which would take "-a" for an option.
    arguments = parser.parse_args(
        ["agent", "--names", "-", "--orchestrator", "%s:%d" % (host, port)]
        + ["--address", _own_address(settings.get("address"), host)]
        + ["--port", settings.get("port", str(DEFAULT_PORT))]
        + (["--uiport", settings["uiport"]] if "uiport" in settings else [])
    )
    arguments.names = names
    command_line._configure_logs(0, None)
    _log_computations()
    waits = hasattr(command, "OrchestratedAgent")

    def serve(given):
        if waits:
            command.OrchestratedAgent = _agents_that_wait(
                command.OrchestratedAgent, given, host)
        arguments.func(arguments)

    try:
        _Launcher(host, port, names, serve, waits, settings.get("address")).work()
    finally:
        _note("work", None)


class _Launcher:
    """The parent: one child at a time, and the connection to the orchestrator."""

    def __init__(self, host, port, names, serve, waits, given):
        self.host, self.port, self.names = host, port, names
        self.default = port
        self.note, self.over = None, None  # which RUN_PORT there is; and that of a run that has ended
        self.answered = False  # somebody, since this note
        self.serve, self.waits = serve, waits
        self.given, self.address = given, _own_address(given, host)
        self.link = None  # the connection that the orchestrator holds
        self.run = None  # its answer
        self.dismissed = None  # the instance that dismissed the last child
        self.seen, self.refused = False, 0
        self.failing = None  # since when there has been no answer at this port
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))

    def work(self):
        for name in ("err", "work"):
            _note(name, None)
        _note("address", self.address)
        self.child = _Child(self.serve)
        try:
            while True:
                if self.child.instance is None:
                    self.choose_port()
                if self.link is None:
                    self.look()
                self.wait()
        finally:
            self.child.end()

    def choose_port(self):
        """Ask where a run wants these agents, until there is none; else where all are."""
        port, note = _run_port()
        if note != self.note:  # a run that may not listen yet, also at the port of the last one
            self.note, self.answered, self.refused, self.failing = note, False, 0, None
        if port is None or note == self.over:
            port = self.default
        if port == self.port:
            return
        if self.link:
            self.link.close()
            self.link = None
        self.port, self.answered, self.seen, self.refused, self.failing = port, False, False, 0, None

    def look(self):
        """Ask for the orchestrator's run; give it to the child when it is a new one."""
        if self.child.instance is None and self.has_moved():
            # Its agents tell their address, and the unit knows the networks, from the start.
            print("dcop-agent: this machine has another address", file=sys.stderr, flush=True)
            sys.exit(0)  # systemd starts this program again
        try:
            self.link, self.run = _ask(self.host, self.port, self.names, self.waits,
                                       self.child.instance)
        except ConnectionRefusedError:
            self.refused += 1
            self.fail(self.answered and self.refused >= 2)
            # One without an answer to us may be a moment between two connections.
            if self.child.instance is not None or (self.seen and self.refused >= 2):
                print("dcop-agent: the orchestrator has ended", file=sys.stderr, flush=True)
                self.seen, self.refused = False, 0
                self.renew()
            return
        except (OSError, http.client.HTTPException, ValueError):
            self.fail(False)
            return  # it may come back
        if self.run is None and self.waits and self.port != self.default:
            self.fail(False)  # no run that RUN_PORT may tell of: those have our shim
            return
        self.refused, self.failing, self.answered = 0, None, True
        if self.run is None:  # an orchestrator without our shim
            self.seen = True
            if self.waits and self.child.instance is None:
                self.child.give({"instance": "", "agents": {}, "replication": None, "port": self.port})
            return
        instance = self.run["instance"]
        if self.child.instance not in (None, instance):
            print("dcop-agent: another orchestrator has started", file=sys.stderr, flush=True)
            self.renew()
        if self.child.instance is None and instance != self.dismissed and self.fits():
            _note("err", None)
            self.child.give(dict(self.run, port=self.port))

    def fail(self, ended):
        """There is no answer: RUN_PORT is followed no longer when its run has ended, or after a
        while, as another program may have that port, or a firewall."""
        self.failing = self.failing or time.monotonic()
        if self.port != self.default and (ended or time.monotonic() - self.failing > RUN_PORT_MAX):
            self.over = self.note

    def has_moved(self):
        """Has the address changed, or come from a network that the unit does not know yet?

        The latter once for an address: agent-state may not find its network, either.
        """
        if _own_address(self.given, self.host) != self.address:
            return True
        source = _source_address(self.host)
        if source is None or _is_in_network(source) or _noted("moved") == source:
            return False
        _note("moved", source)
        return True

    def fits(self):
        from pydcop_shim import pydcop_version

        if not self.run["open"] or self.run.get("roles") == {}:
            return False
        if self.run["pydcop"] != pydcop_version():
            text = "the orchestrator at %s:%d runs pyDCOP %s, this machine %s: deploy that version" % (
                self.host, self.port, self.run["pydcop"], pydcop_version())
            print("dcop-agent: " + text, file=sys.stderr, flush=True)
            _note("err", text)
            return False
        return True

    def wait(self):
        """Until the child or the orchestrator has ended; not for long without a link, or without
        a run: then RUN_PORT may name another orchestrator at any time."""
        sources = [self.child.ended] + ([self.link] if self.link else [])
        in_run = self.link and self.child.instance is not None
        ready = select.select(sources, [], [], None if in_run else RETRY)[0]
        if self.link in ready:
            self.link.close()
            self.link = None
        if self.child.ended in ready:
            instance = self.child.instance
            if self.child.status() != 0:
                sys.exit(1)  # systemd starts this program again
            if instance is None:
                time.sleep(RETRY)  # agents that do not wait for us
            self.dismissed = instance
            self.renew()

    def renew(self):
        self.child.end()
        _note("work", None)
        self.child = _Child(self.serve, self.link)


class _Child:
    """A process that calls serve(given); given() waits for what give() is told."""

    def __init__(self, serve, link=None):
        self.instance = None  # of the run that it was given
        read_word, self.word = os.pipe()
        self.ended, alive = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.word)
            os.close(self.ended)
            if link:
                link.close()  # the parent's alone, which ends it
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _serve_and_exit(serve, read_word)
        os.close(read_word)
        os.close(alive)  # the child's copy is closed when it ends

    def give(self, run):
        self.instance = run["instance"]
        try:
            os.write(self.word, json.dumps(run).encode() + b"\n")
        except BrokenPipeError:
            pass  # it has ended, which `ended` says

    def status(self):
        """Its exit status, once; after that, 0."""
        pid, self.pid = self.pid, None
        return os.waitpid(pid, 0)[1] if pid else 0

    def end(self):
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.status()
        for descriptor in (self.word, self.ended):
            if descriptor is not None:
                os.close(descriptor)
        self.word = self.ended = None


def _serve_and_exit(serve, word):
    """The child's work; does not return."""
    run, given = [], threading.Event()

    def read_word():
        with open(word, "rb") as words:
            line = words.readline()
            if line:
                run.append(json.loads(line.decode()))
                _seed(run[0])
                given.set()
                words.read()
        os._exit(0)  # the parent has ended

    def wait_for_run():
        given.wait()
        return run[0]

    status = 1
    try:
        threading.Thread(target=read_word, name="launcher", daemon=True).start()
        serve(wait_for_run)
        others = True
        while others:
            others = [t for t in threading.enumerate()
                      if t is not threading.current_thread() and not t.daemon]
            for thread in others:
                thread.join()
        status = 0
    except SystemExit as error:
        print(error, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _seed(run):
    """Seed the random numbers of this process, for its agents in this run."""
    import hashlib
    import random

    if run.get("seed") is None:
        return
    text = "%s %s" % (run["seed"], json.dumps(sorted(run["agents"])))
    random.seed(text)
    try:
        import numpy
    except ImportError:
        return
    numpy.random.seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big"))


def _agents_that_wait(OrchestratedAgent, given, host):
    """A stand-in for that class, whose agents are made when the run is given.

    They get their definition (capacity, hosting costs, routes) from the run: pyDCOP's
    command line has none of it but the capacity.
    """
    class Agent:
        def __init__(self, definition, comm, *arguments, **options):
            self.definition, self.comm = definition, comm
            self.arguments, self.options = arguments, options
            self.thread = threading.Thread(target=self.register)

        def start(self):
            self.thread.start()

        def join(self):
            self.thread.join()

        def register(self):
            run = given()
            name, roles = self.definition.name, run.get("roles")
            if roles is not None:
                if name not in roles:
                    return  # the run wants another one of this machine
                name = roles[name]
            orchestrator = host, run["port"]
            try:
                definition = self.definition
                if name in run["agents"]:
                    values = dict(run["agents"][name])
                    if hasattr(definition, "capacity"):  # of pyDCOP's command line
                        values.setdefault("capacity", definition.capacity)
                    definition = type(definition)(name, **values)
                if run["replication"]:
                    self.options["replication"] = run["replication"]
                    from pydcop_heal import notice_lost_agents

                    notice_lost_agents()
                if run.get("metrics"):
                    self.options["metrics_on"] = run["metrics"]
                _tell_garbled(orchestrator)
                agent = OrchestratedAgent(definition, self.comm, orchestrator, *self.arguments[1:], **self.options)
                agent.on_fatal_error = lambda error: _tell_error(name, error, orchestrator)
                start = OrchestratedAgent.start
                getattr(start, "at_once", start)(agent)
            except Exception as error:
                traceback.print_exc()
                _tell_error(name, error, orchestrator)
                return
            agent.t.join()

    return Agent


def _tell_error(name, error, orchestrator):
    text = "agent %s: %s: %s" % (name, type(error).__name__, error)
    print(text, file=sys.stderr, flush=True)
    _note("err", text)
    _report(name, "%s: %s" % (type(error).__name__, " ".join(str(error).split())), orchestrator)


def _tell_garbled(orchestrator):
    """Tell the orchestrator of other agents whose messages cannot be decoded, once of each."""
    try:
        from pydcop.infrastructure import communication
    except ImportError:
        return  # a pyDCOP with other internals
    told = set()

    def tell(address, agent, text):
        print("a message of agent %s at %s cannot be understood: %s" % (agent, address, text),
              file=sys.stderr, flush=True)
        if agent not in told and len(told) < GARBLED_MAX:
            told.add(agent)
            about = "its message to another agent cannot be understood: " + text
            threading.Thread(target=_report, args=(agent, about, orchestrator, address), daemon=True).start()

    communication.dcop_garbled = tell


def _report(name, about, orchestrator, address=""):
    """Tell the orchestrator that an agent has failed, and why; `address`: of another one."""
    try:
        from pydcop_shim import ERROR_PATH

        query = urlencode([("agent", name), ("text", about[:NOTE_MAX])] + [("at", address)] * bool(address),
                          errors="replace")
        link = http.client.HTTPConnection(*orchestrator, timeout=2)
        link.request("GET", "%s?%s" % (ERROR_PATH, query))
        link.close()
    except (OSError, http.client.HTTPException):
        pass  # it has ended, or the network has


def _note(name, text):
    """Write one of NOTES, whole or not at all; None removes it."""
    path = os.path.join(NOTES, name)
    try:
        if text is None:
            os.unlink(path)
            return
        if name == "err":
            text = " ".join(text.split())
        text = text.encode("utf-8", "replace")[:NOTE_MAX].decode("utf-8", "ignore")
        with open(path + ".new", "w", encoding="utf-8") as note:
            note.write(text + "\n")
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)
    except OSError:
        pass  # no such folder: not started by the unit


def _run_port():
    """The port of RUN_PORT and which note it was; (None, None) without one."""
    try:
        with open(RUN_PORT, encoding="ascii") as note:
            about = os.fstat(note.fileno())
            return int(note.read(6)), (about.st_ino, about.st_mtime_ns)
    except (OSError, ValueError):
        return None, None


def _noted(name):
    try:
        with open(os.path.join(NOTES, name), encoding="utf-8") as note:
            return note.read(NOTE_MAX + 1).strip()
    except (OSError, ValueError):
        return None


def _ask(host, port, names, question=True, instance=None):
    """Ask the orchestrator for its run: the connection, and the answer.

    `instance`: of the run that the agents have; None: they have none, because this program
    has just started, or the last run has ended.

    Without an answer to this question, both are None.  Raises OSError, HTTPException or
    ValueError when there is no orchestrator, or one that is not ready yet.
    """
    from pydcop_shim import RUN_PATH, pydcop_version

    link = socket.create_connection((host, port), timeout=2)
    try:
        if not question:
            link.close()
            return None, None
        link.settimeout(5)
        query = [("pydcop", pydcop_version())] + [("instance", instance)] * bool(instance)
        query = urlencode(query + [("agent", name) for name in names], errors="replace")
        link.sendall(("GET %s?%s HTTP/1.0\r\n\r\n" % (RUN_PATH, query)).encode("ascii"))
        answer = http.client.HTTPResponse(link, method="GET")
        answer.begin()
        body = answer.read(ANSWER_MAX)
        if answer.status == 501:  # http.server, without a function for GET
            link.close()
            return None, None
        if answer.status != 200:
            raise http.client.HTTPException(answer.status)
        run = json.loads(body.decode())
        if not {"instance", "pydcop", "open", "agents", "replication"} <= set(run):
            raise ValueError("not a run")
        # So that an orchestrator that has lost its plug is noticed.
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 3), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, option):
                link.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        link.settimeout(None)
        return link, run
    except BaseException:
        link.close()
        raise


def _log_computations():
    """Print a line for each computation that an agent is given, and for its first value.

    Not for later values: some algorithms change them many times a second.
    """
    try:
        from pydcop.infrastructure.orchestratedagents import OrchestratedAgent

        add, changed = OrchestratedAgent.add_computation, OrchestratedAgent._on_computation_value_changed
    except (ImportError, AttributeError):
        return  # a pyDCOP with other internals
    valued, at_work = set(), set()

    def add_computation(self, computation, *rest, **options):
        if not computation.name.startswith("_"):
            if self.name not in at_work:
                at_work.add(self.name)
                _note("work", "\n".join(sorted(at_work)))
            print("agent %s computes %s" % (self.name, computation.name), flush=True)
            valued.discard((self.name, computation.name))
        return add(self, computation, *rest, **options)

    def on_value_changed(self, computation, value, *rest, **options):
        if (self.name, computation) not in valued:
            valued.add((self.name, computation))
            print("agent %s: %s = %s" % (self.name, computation, value), flush=True)
        return changed(self, computation, value, *rest, **options)

    OrchestratedAgent.add_computation = add_computation
    OrchestratedAgent._on_computation_value_changed = on_value_changed


def _settings():
    settings = {}
    with open(SETTINGS, encoding="ascii") as lines:
        for line in lines:
            key, _, value = line.strip().partition(" ")
            settings[key] = value.strip()
    return settings


def _own_address(given, orchestrator):
    """The address at which others reach this machine.

    It is the address given at deployment.  If this machine no longer has it (DHCP),
    it is the source address of packets to the orchestrator.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((given, 0))
            return given
        except (OSError, TypeError):
            pass
    return _source_address(orchestrator) or given or "127.0.0.1"


def _source_address(orchestrator):
    """The source address of packets to the orchestrator; None without a route to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((orchestrator, 9))  # UDP: sends nothing
            return probe.getsockname()[0]
        except OSError:
            return None


def _is_in_network(address):
    """Is it one that the unit lets the agents reach?  Yes where nobody says."""
    import ipaddress

    try:
        with open(NETWORK, encoding="ascii") as file:
            words = file.read().split()
    except (OSError, ValueError):
        return True
    for word in words:
        try:
            if ipaddress.ip_address(address) in ipaddress.ip_network(word, strict=False):
                return True
        except ValueError:
            pass  # "localhost"
    return address.startswith("127.")
