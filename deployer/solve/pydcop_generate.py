"""A problem of pyDCOP's generators, for `dcop-deploy batch`; see pydcop_orchestrator.py."""

import argparse
import contextlib
import io
import random


def _mend_networkx():
    """0.1.1 calls what networkx 2 has dropped."""
    import networkx

    for name in ("nodes", "edges", "neighbors"):
        if not hasattr(networkx.Graph, name + "_iter"):
            setattr(networkx.Graph, name + "_iter", lambda graph, *some, name=name, **options: iter(
                getattr(graph, name)(*some, **options)))


def generate(words, seed):
    """What `pydcop generate WORDS` prints.  Raises ValueError with pyDCOP's own words."""
    import numpy
    from pydcop.commands import generate as command

    _mend_networkx()
    random.seed(seed)
    numpy.random.seed(seed % (1 << 32))
    # Options of all commands that generators look at; the caller writes the file.
    parser = argparse.ArgumentParser(prog="pydcop")
    parser.set_defaults(output=None, timeout=0, verbose=0, log=None)
    command.set_parser(parser.add_subparsers())
    out, errors = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            args = parser.parse_args(["generate"] + words)
            args.func(args)
    except SystemExit:
        said = [line for line in errors.getvalue().split("\n") if line.strip()]
        raise ValueError(said[-1] if said else "pyDCOP does not take these options")
    lines = out.getvalue().split("\n")
    # Some say first what they do.
    first = next((i for i, line in enumerate(lines) if line.startswith("name:")), 0)
    return "\n".join(lines[first:])
