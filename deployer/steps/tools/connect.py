"""Whether this machine can connect to the agents of other machines, and to the orchestrator.

usage: python3 -I -S connect.py OWN PEERS [ORCHESTRATOR]

OWN: the address of this machine's agents; PEERS: "ADDRESS:AGENTS,...", whose agents listen from
port 9001 on; ORCHESTRATOR: "ADDRESS[:PORT]".  Prints a line for each machine that it cannot
connect to, "ADDRESS PORT WHY".

All connections are tried at once, and again every half second, so that a lost packet, or agents
that are about to listen, are no failure; after WITHIN seconds there is no further try.
"""

import errno
import os
import select
import socket
import sys
import time

AGENTS_PORT, ORCHESTRATOR_PORT = 9001, 9000
WITHIN, AGAIN = 2.5, 0.5  # seconds
PEERS_MAX = 64  # machines, those after this one, and then the first ones
ENDS_MAX = 180  # ports in all: each has several sockets, and a process 1024
SILENT = "no answer"


def agents_of(own, peers):
    """Ports of agents, each machine's first ones first: [(address, port)]."""
    machines = []
    for peer in filter(None, peers.split(",")):
        address, _, count = peer.partition(":")
        machines.append((address, int(count)))
    at = next((i for i, (address, _) in enumerate(machines) if address == own), 0)
    others = [m for m in machines[at:] + machines[:at] if m[0] != own][:PEERS_MAX]
    most = max([count for _, count in others], default=0)
    return [(address, AGENTS_PORT + k) for k in range(most) for address, count in others if k < count]


def connect(ends, within=WITHIN):
    """{end: why} of those that cannot be connected to."""
    why, tries, poll = {end: SILENT for end in ends}, {}, select.poll()
    began, rounds = time.monotonic(), 0
    while why and time.monotonic() < began + within:
        if time.monotonic() >= began + rounds * AGAIN:
            rounds += 1
            for end in why:
                one = socket.socket()
                one.setblocking(False)
                try:
                    socket.inet_pton(socket.AF_INET, end[0])  # a name would be looked up
                    error = one.connect_ex(end)
                except OSError:
                    error = errno.EINVAL
                if error not in (0, errno.EINPROGRESS):
                    why[end] = os.strerror(error)
                    one.close()
                    continue
                tries[one.fileno()] = one, end
                poll.register(one, select.POLLOUT)
        for number, _ in poll.poll(max(0, began + rounds * AGAIN - time.monotonic()) * 1000):
            poll.unregister(number)
            one, end = tries.pop(number)
            error = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            one.close()
            if not error:
                why.pop(end, None)
            elif end in why:
                why[end] = os.strerror(error)
    for one, _ in tries.values():
        one.close()
    return why


def main(own, peers, orchestrator=""):
    ends = agents_of(own, peers)[:ENDS_MAX]
    if orchestrator:
        address, _, port = orchestrator.partition(":")
        ends.insert(0, (address, int(port or ORCHESTRATOR_PORT)))
    told = set()
    for end, why in connect(ends).items():
        if orchestrator and end == ends[0]:
            print(*end, why)
        elif end[0] not in told:
            told.add(end[0])
            print(*end, why)


if __name__ == "__main__":
    main(*sys.argv[1:])
