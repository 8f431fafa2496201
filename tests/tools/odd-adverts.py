#!/usr/bin/python3
"""
odd-adverts.py INTERFACE FAMILY RECORDS

Answers multicast DNS questions for _dcop-agent._tcp.local on one link with odd
records.  FAMILY is 4 or 6: over which protocol.  RECORDS is a JSON file, read at
the start: [{"id", "host", "port", "a": [...], "aaaa": [...]}].  Over IPv6 it
answers by multicast only, so that a querier with a port of its own hears nothing
and Avahi brings all of it.  Prints "ready", then runs until it is ended.
"""
import json
import select
import socket
import struct
import sys

TYPE = ["_dcop-agent", "_tcp", "local"]
PTR, TXT, SRV, A, AAAA = 12, 16, 33, 1, 28
PORT = 5353


def name(labels):
    raw = b"".join(bytes([len(x)]) + x for x in (s.encode() if isinstance(s, str) else s for s in labels))
    return raw + b"\0"


def record(owner, kind, data, legacy):
    unique = 0 if kind == PTR or legacy else 0x8000
    return name(owner) + struct.pack("!HHIH", kind, 1 | unique, 10 if legacy else 120, len(data)) + data


def answer(machine, legacy):
    instance = ["dcop-" + machine["id"], *TYPE]
    host = machine["host"].encode("utf-8", "surrogateescape").split(b".")
    txt = ["txtvers=1", "id=" + machine["id"], "agent=" + machine.get("agent", "x" + machine["id"][-2:]),
           "state=new"]
    records = [
        record(TYPE, PTR, name(instance), legacy),
        record(instance, SRV, struct.pack("!HHH", 0, 0, machine["port"]) + name(host), legacy),
        record(instance, TXT, b"".join(bytes([len(t)]) + t.encode() for t in txt), legacy),
    ]
    records += [record(host, A, socket.inet_aton(a), legacy) for a in machine.get("a", [])]
    records += [record(host, AAAA, socket.inet_pton(socket.AF_INET6, a), legacy) for a in machine.get("aaaa", [])]
    return len(records), b"".join(records)


def open_socket(interface, family):
    index = socket.if_nametoindex(interface)
    if family == 4:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", PORT))
        request = socket.inet_aton("224.0.0.251") + struct.pack("=4si", b"\0" * 4, index)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        return s, ("224.0.0.251", PORT)
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("::", PORT))
    group = socket.inet_pton(socket.AF_INET6, "ff02::fb") + struct.pack("=i", index)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    return s, ("ff02::fb", PORT, 0, index)


def main():
    interface, family, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        machines = json.load(f)
    s, group = open_socket(interface, family)
    print("ready", flush=True)
    while True:
        select.select([s], [], [])
        question, sender = s.recvfrom(9000)
        if len(question) < 12 or question[2] & 0x80 or b"\x0b_dcop-agent" not in question:
            continue
        legacy = sender[1] != PORT
        if legacy and family == 6:
            continue
        for machine in machines:
            count, records = answer(machine, legacy)
            head = question[:2] if legacy else b"\0\0"
            s.sendto(head + struct.pack("!HHHHH", 0x8400, 0, count, 0, 0) + records, sender if legacy else group)


main()
