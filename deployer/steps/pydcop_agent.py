"""Start the command line of any pyDCOP version, and this machine's agents.

The console scripts `pydcop` and `dcop-agent` of a version call main() and agent().
"""

import importlib.util
import os
import socket
import sys
import threading
import time

AGENTS = "/etc/dcop/agents"  # one name per line, any bytes
SETTINGS = "/etc/dcop/agent.conf"  # `key value` lines: orchestrator, address, port, uiport
DEFAULT_PORT = 9001


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


def main():
    command_line = _command_line()
    if sys.argv[1:] == ["--version"] and not hasattr(command_line, "__version__"):
        # 0.1.1 has no such option.
        from importlib.metadata import version

        print("pydcop", version("pydcop"))
        return None
    return command_line.main()


def agent():
    """Run the agents named in AGENTS until their orchestrator ends."""
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

    command_line = _command_line()
    from pydcop.commands import agent as command

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
    _exit_when_orchestrator_ends(host, port)
    arguments.func(arguments)


def _log_computations():
    """Print a line for each computation that an agent is given, and for its first value.

    Not for later values: some algorithms change them many times a second.
    """
    try:
        from pydcop.infrastructure.orchestratedagents import OrchestratedAgent

        add, changed = OrchestratedAgent.add_computation, OrchestratedAgent._on_computation_value_changed
    except (ImportError, AttributeError):
        return  # a pyDCOP with other internals
    valued = set()

    def add_computation(self, computation, *rest, **options):
        if not computation.name.startswith("_"):
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
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((orchestrator, 9))  # UDP: sends nothing
            return probe.getsockname()[0]
        except OSError:
            return given or "127.0.0.1"


def _exit_when_orchestrator_ends(host, port, interval=3, patience=2):
    """End this process when the orchestrator has been reachable and then is gone.

    pyDCOP's agents register once, when they start.  If their orchestrator is killed,
    they would wait for ever, and the next orchestrator would wait for them.  systemd
    starts them again.
    """

    def watch():
        seen, refused = False, 0
        while True:
            try:
                socket.create_connection((host, port), timeout=2).close()
                seen, refused = True, 0
            except ConnectionRefusedError:
                refused += 1
            except OSError:
                pass  # the network may come back
            if seen and refused >= patience:
                print("dcop-agent: the orchestrator is gone", file=sys.stderr)
                sys.stderr.flush()
                os._exit(0)
            time.sleep(interval)

    threading.Thread(target=watch, name="orchestrator-watch", daemon=True).start()
