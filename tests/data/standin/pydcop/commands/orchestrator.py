"""`pydcop orchestrator`: waits for the problem's agents, then asks each in turn
for the best value of its variables until nothing changes, from several starts."""

import itertools
import json
import socket

import yaml

from pydcop.wire import receive, send


def set_parser(subparsers):
    parser = subparsers.add_parser("orchestrator")
    parser.set_defaults(func=run_cmd)
    parser.add_argument("--algo")
    parser.add_argument("--distribution")
    parser.add_argument("--address", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("problem", nargs="+")


def total(functions, assignment):
    return sum(eval(f, {"__builtins__": {}}, dict(assignment)) for f in functions)


def gather(args, names):
    streams = {}
    server = socket.create_server((args.address, args.port))
    server.settimeout(args.timeout)
    while set(streams) != set(names):
        connection, _ = server.accept()
        stream = connection.makefile("rw")
        hello = receive(stream)
        if hello is not None:  # somebody who only looked whether we are there
            streams[hello["agent"]] = stream
    server.close()
    return streams


def improve(streams, names, problem, functions, assignment):
    changed = True
    while changed:
        changed = False
        for i, (variable, spec) in enumerate(problem["variables"].items()):
            stream = streams[names[i % len(names)]]
            send(stream, {
                "variable": variable,
                "domain": problem["domains"][spec["domain"]]["values"],
                "functions": functions,
                "assignment": assignment,
            })
            value = receive(stream)["value"]
            if total(functions, dict(assignment, **{variable: value})) < total(functions, assignment):
                assignment[variable] = value
                changed = True
    return assignment


def run_cmd(args):
    text = ""
    for name in args.problem:
        with open(name, encoding="utf-8") as f:
            text += f.read()
    problem = yaml.safe_load(text)
    names = list(problem["agents"])
    functions = [c["function"] for c in problem["constraints"].values()]
    domains = [problem["domains"][v["domain"]]["values"] for v in problem["variables"].values()]
    streams = gather(args, names)
    ends = [
        improve(streams, names, problem, functions, dict(zip(problem["variables"], start)))
        for start in itertools.islice(itertools.product(*domains), 32)
    ]
    best = min(ends, key=lambda a: total(functions, a))
    result = {"status": "FINISHED", "assignment": best, "cost": total(functions, best)}
    print(json.dumps(result))
    if args.output:
        with open(args.output, "w", encoding="utf-8") as f:
            json.dump(result, f)
