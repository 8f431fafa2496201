"""Listens as pyDCOP's agents do, each on a port of its own."""

import socket
import threading


def set_parser(subparsers):
    parser = subparsers.add_parser("agent")
    parser.set_defaults(func=run_cmd)
    parser.add_argument("-n", "--names", nargs="+")
    parser.add_argument("-p", "--port", type=int, default=9001)
    parser.add_argument("-o", "--orchestrator")
    parser.add_argument("--address")
    parser.add_argument("--uiport", type=int)


def run_cmd(args):
    for number, _ in enumerate(args.names):
        server = socket.create_server(("0.0.0.0", args.port + number))
        threading.Thread(target=_serve, args=(server,)).start()
    if args.uiport:
        server = socket.create_server(("0.0.0.0", args.uiport))
        threading.Thread(target=_serve, args=(server,)).start()


def _serve(server):
    while True:
        server.accept()[0].close()
