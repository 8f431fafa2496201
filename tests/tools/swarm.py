#!/usr/bin/python3
"""Stands in for machines that join, change and leave.

usage: tests/tools/swarm.py ADDRESS COUNT SECONDS
Says `registered` once all are on the air and `resting` after SECONDS of churn,
then writes a line a machine: id, and its agent's name or "gone".  Goes on
answering until it is ended.
"""
import asyncio
import random
import socket
import sys
import time

from zeroconf import IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

TYPE = "_dcop-agent._tcp.local."


def service(number, agent):
    properties = {"txtvers": "1", "id": f"{number + 1:016x}", "agent": agent,
                  "os": "debian-12", "arch": "arm64", "py": "3.11", "state": "new"}
    address = socket.inet_aton(f"10.99.{1 + number // 250}.{1 + number % 250}")
    return ServiceInfo(TYPE, f"dcop-{number + 1:016x}.{TYPE}", addresses=[address], port=22,
                       properties=properties, server=f"m{number:05d}.local.")


def goodbye(zeroconf, info):
    zeroconf.zeroconf.async_send(zeroconf.zeroconf.generate_service_broadcast(info, 0))


async def main():
    address, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    zeroconf = AsyncZeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
    await asyncio.start_server(lambda reader, writer: writer.close(), "0.0.0.0", 22, backlog=4096)
    there = {n: f"a{n:05d}" for n in range(count)}
    gone = set()
    waits = []
    for n in there:
        waits.append(await zeroconf.async_register_service(service(n, there[n]), cooperating_responders=True))
    await asyncio.gather(*waits)
    print("registered", flush=True)
    # zeroconf says a change three times within half a second, and that does not flush
    # a record heard less than a second before (RFC 6762 §10.2), as the first answers are.
    await asyncio.sleep(4)
    touched = {}
    end, turn = time.monotonic() + seconds, 0
    random.seed(7)
    while time.monotonic() < end:
        n, turn = random.randrange(count), turn + 1
        # Nobody says the next thing so soon, either.
        if time.monotonic() - touched.get(n, 0) < 4:
            continue
        touched[n] = time.monotonic()
        if n in gone:
            gone.discard(n)
            await zeroconf.async_register_service(service(n, there[n]), cooperating_responders=True)
        elif turn % 3 == 0:
            gone.add(n)
            await zeroconf.async_unregister_service(service(n, there[n]))
            # zeroconf may send an answer, put together before, after its goodbye; an
            # avahi-daemon does not.  So it says goodbye once more.
            asyncio.get_running_loop().call_later(2, goodbye, zeroconf, service(n, there[n]))
        else:
            there[n] = f"a{n:05d}.{turn}"
            await zeroconf.async_update_service(service(n, there[n]))
        await asyncio.sleep(0.1)
    await asyncio.sleep(8)
    print("resting", flush=True)
    for n in there:
        print(f"{n + 1:016x}", "gone" if n in gone else there[n], flush=True)
    print("done", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
