"""`pydcop agent`: listens on its port, and serves whichever orchestrator there is."""

import socket
import threading
import time

from pydcop.wire import receive, send


def set_parser(subparsers):
    parser = subparsers.add_parser("agent")
    parser.set_defaults(func=run_cmd)
    parser.add_argument("-n", "--names", nargs="+")
    parser.add_argument("--address")
    parser.add_argument("-p", "--port", type=int, default=9001)
    parser.add_argument("-o", "--orchestrator")
    parser.add_argument("-i", "--uiport", type=int)
    parser.add_argument("--restart", action="store_true")


def best_value(task, assignment):
    def cost(value):
        trial = dict(assignment, **{task["variable"]: value})
        return sum(eval(f, {"__builtins__": {}}, dict(trial)) for f in task["functions"])

    return min(task["domain"], key=cost)


def serve(name, host, port):
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=5)
        except OSError:
            time.sleep(0.5)
            continue
        connection.settimeout(None)
        with connection, connection.makefile("rw") as stream:
            send(stream, {"agent": name})
            while True:
                task = receive(stream)
                if task is None:
                    return
                value = best_value(task, task["assignment"])
                print(f"agent {name}: {task['variable']} = {value}", flush=True)
                send(stream, {"value": value})


def run_cmd(args):
    host, _, port = args.orchestrator.partition(":")
    threads = []
    for i, name in enumerate(args.names):
        listener = socket.create_server(("", args.port + i))
        thread = threading.Thread(target=serve, args=(name, host, int(port or 9000)))
        thread.listener = listener
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
