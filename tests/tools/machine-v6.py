#!/usr/bin/env python3
"""A machine with IPv6 only: answers multicast DNS questions with its advert.

usage: machine-v6.py INTERFACE

Its id is 0000000000009600.  To port 5353 it answers by multicast, to others to them
(RFC 6762 section 6.7).  Prints "ready", then runs until it is ended.
"""
import socket
import struct
import sys

PORT = 5353
GROUP = "ff02::fb"
ID = "0000000000009600"


def name(dotted):
    return b"".join(bytes([len(label)]) + label.encode() for label in dotted.split(".")) + b"\0"


def record(owner, kind, data, flush=0x8000):
    flush = 0 if kind == 12 else flush
    return name(owner) + struct.pack(">HHIH", kind, 1 | flush, 120, len(data)) + data


def answer(address, flush):
    kind, host = "_dcop-agent._tcp.local", "v6.local"
    instance = "dcop-" + ID + "." + kind
    txt = b"".join(bytes([len(pair)]) + pair.encode() for pair in ("txtvers=1", "id=" + ID, "agent=v6"))
    return (record(kind, 12, name(instance))
            + record(instance, 33, struct.pack(">HHH", 0, 0, 22) + name(host), flush)
            + record(instance, 16, txt, flush)
            + record(host, 28, socket.inet_pton(socket.AF_INET6, address), flush))


def own_address(interface):
    with open("/proc/net/if_inet6", encoding="ascii") as lines:
        for line in lines:
            digits, _, _, _, _, device = line.split()
            if device == interface and digits.startswith("fe80"):
                return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))
    sys.exit("no address")


def main():
    interface = sys.argv[1]
    index = socket.if_nametoindex(interface)
    address = own_address(interface)
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                 socket.inet_pton(socket.AF_INET6, GROUP) + struct.pack("@I", index))
    s.bind(("::", PORT))
    print("ready", flush=True)
    while True:
        packet, source = s.recvfrom(9000)
        if len(packet) < 12 or packet[2] & 0x80 or source[0].split("%")[0] == address:
            continue
        if b"_dcop-agent" not in packet:
            continue
        legacy = source[1] != PORT
        head = (packet[:2] if legacy else b"\0\0") + struct.pack(">HHHHH", 0x8400, 0, 4, 0, 0)
        s.sendto(head + answer(address, 0 if legacy else 0x8000),
                 source if legacy else (GROUP, PORT, 0, index))


main()
