"""The stand-in's command line."""

import sys

__version__ = "0.0.1"


def main():
    if sys.argv[1:] == ["--version"]:
        print("pydcop", __version__)
        return None
    return 2


def _configure_logs(level, log_conf):
    pass
