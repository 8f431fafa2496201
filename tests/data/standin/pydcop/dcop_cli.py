"""The command line, as far as the deployer and the demo use it."""

import argparse

from pydcop.commands import agent, orchestrator

__version__ = "0.0.0.dev0"


def _configure_logs(level, log_conf):
    pass


def main():
    parser = argparse.ArgumentParser("pydcop")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("-t", "--timeout", type=int, default=60)
    subparsers = parser.add_subparsers()
    agent.set_parser(subparsers)
    orchestrator.set_parser(subparsers)
    args = parser.parse_args()
    if args.version:
        print("pydcop", __version__)
    elif hasattr(args, "func"):
        return args.func(args)
    else:
        parser.error("no command")
