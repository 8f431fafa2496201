#!/usr/bin/env python3
"""Says, from its own address, that a machine is at another one: as reflectors, proxies and
access points do that keep records of machines that are off.

  parrot.py OWN ADDRESS SECONDS KEY=VALUE...

Announces PTR, SRV, TXT and A records by multicast every SECONDS (0: never), and answers
each question for them: by unicast where the question has a port of its own, else by
multicast (RFC 6762, 6.7).  KEY=VALUE...: the TXT record; the instance is dcop- and the id.
Prints "ready", and "told" for each announcement.  The host has the name of the agent.  Python's standard library only."""

import select
import socket
import struct
import sys
import time

GROUP, PORT = "224.0.0.251", 5353
A, PTR, TXT, SRV = 1, 12, 16, 33
SERVICE = ("_dcop-agent", "_tcp", "local")


def name(*labels):
    return b"".join(bytes([len(b)]) + b for b in (x.encode() for x in labels)) + b"\0"


def record(owner, kind, ttl, data):
    unique = 0 if kind == PTR else 0x8000
    return owner + struct.pack(">HHIH", kind, unique | 1, ttl, len(data)) + data


def records(address, pairs):
    told = dict(p.split("=", 1) for p in pairs)
    owner, host = name("dcop-" + told["id"], *SERVICE), name(told["agent"], "local")
    return (
        record(name(*SERVICE), PTR, 4500, owner)
        + record(owner, SRV, 120, struct.pack(">HHH", 0, 0, 22) + host)
        + record(owner, TXT, 4500, b"".join(bytes([len(p)]) + p.encode() for p in pairs))
        + record(host, A, 120, socket.inet_aton(address))
    )


def main():
    own, address, period, *pairs = sys.argv[1:]
    told = records(address, pairs)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", PORT))
    link = socket.inet_aton(own)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + link)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, link)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    group = (GROUP, PORT)
    print("ready", flush=True)
    due = time.monotonic()
    while True:
        wait = max(0.0, due - time.monotonic()) if float(period) else None
        if not select.select([s], [], [], wait)[0]:
            s.sendto(struct.pack(">6H", 0, 0x8400, 0, 4, 0, 0) + told, group)
            print("told", flush=True)
            due = time.monotonic() + float(period)
            continue
        asked, asker = s.recvfrom(9000)
        if len(asked) < 12 or asked[2] & 0x80 or b"_dcop-agent" not in asked:
            continue
        to = group if asker[1] == PORT else asker
        s.sendto(asked[:2] + struct.pack(">5H", 0x8400, 0, 4, 0, 0) + told, to)


main()
