"""Agents that are lost in the middle of a run that heals, for tests/bench/heal.

usage: heal.py FOLDER SITE SOLVE ALGORITHM..., in a network namespace, with a Python that has
pyDCOP's dependencies.  SITE: the folder with pyDCOP and our shim; SOLVE: deployer/solve.

Ten agents at loopback addresses.  For each algorithm one is unplugged, two at once with two
replicas, and one killed.
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time

COUNT = 10
PORT = 9000
passed = failed = 0


def case(name, good, said=""):
    global passed, failed
    print("%sok - %s%s" % ("" if good else "not ", name, "" if good else ": %s" % (said,)), flush=True)
    passed, failed = passed + bool(good), failed + (not good)


def problem():
    lines = ["name: ring", "objective: min", "domains: {colors: {values: [0, 1, 2], type: color}}", "variables:"]
    lines += ["  v%d: {domain: colors}" % i for i in range(COUNT)] + ["constraints:"]
    for i in range(COUNT):
        for k in (1, 3):
            lines.append("  c%d_%d: {type: intention, function: 5 if v%d == v%d else 0}" % (i, k, i, (i + k) % COUNT))
    return "\n".join(lines + ["agents:"] + ["  a%d: {capacity: 1000}" % i for i in range(COUNT)]) + "\n"


class Agent:
    def __init__(self, work, number):
        self.name, self.address = "a%d" % number, "127.0.0.%d" % (number + 2)
        self.folder = os.path.join(work, self.name)
        os.makedirs(os.path.join(self.folder, "notes"))
        self.write("agents", self.name)
        self.write("conf", "orchestrator 127.0.0.1:%d\naddress %s\nport %d" % (PORT, self.address, 9001 + number))
        self.process = None

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text + "\n")

    def start(self, site):
        code = ("import sys; sys.path.insert(0, %r); import pydcop_shim; import pydcop_agent as p; "
                "p.AGENTS, p.SETTINGS, p.NOTES = %r, %r, %r; p.agent()"
                % ((site,) + tuple(os.path.join(self.folder, n) for n in ("agents", "conf", "notes"))))
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code], cwd=self.folder,
            stdout=open(os.path.join(self.folder, "log"), "a"), stderr=subprocess.STDOUT,
            env=dict(os.environ, PYTHONUNBUFFERED="1", OPENBLAS_NUM_THREADS="1"))

    def end(self):
        if self.process:
            own = children(self.process.pid)
            for pid in [self.process.pid] + own:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()
            self.process = None

    def unplug(self):
        """Nothing reaches it, and it says nothing."""
        nft("add element ip plugs out { %s }" % self.address)
        for pid in children(self.process.pid) + [self.process.pid]:
            os.kill(pid, signal.SIGSTOP)

    def plug(self, site):
        self.end()
        nft("delete element ip plugs out { %s }" % self.address, check=False)
        self.start(site)


def nft(words, check=True):
    subprocess.run(["nft", words], check=check, stderr=None if check else subprocess.DEVNULL)


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(child) for child in f.read().split()]


def run(work, site, solve, algorithm, replicas, hurt, limit):
    """The events of one run; `hurt()` is called 3 s after its start."""
    request = {"problem": problem(), "agents": ["a%d" % i for i in range(COUNT)], "algorithm": algorithm,
               "parameters": [], "distribution": "oneagent" if algorithm not in ("maxsum", "amaxsum") else "adhoc",
               "placement": None, "port": PORT, "time_limit": limit, "seed": 1, "about": "a test",
               "replicas": replicas}
    with open(os.path.join(work, "request"), "w") as f:
        json.dump(request, f)
    events, hurt_at = [], None
    with open(os.path.join(work, "orchestrator"), "a") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", os.path.join(solve, "pydcop_orchestrator.py"),
             os.path.join(work, "request"), site], cwd=work, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    watchdog = threading.Timer(limit + 90, process.kill)
    watchdog.start()
    for line in process.stdout:
        event = json.loads(line)
        event["heard"] = time.monotonic()
        events.append(event)
        if event["event"] == "prepared":
            process.stdin.write("go 127.0.0.1\n")
            process.stdin.flush()
        if hurt and event["event"] == "started":
            threading.Timer(3, hurt).start()
        if event["event"] in ("result", "refused"):
            break
    process.stdin.close()
    process.wait(20)
    watchdog.cancel()
    return events


def one(events, kind):
    return next((event for event in events if event["event"] == kind), None)


def judge(name, events, lost, when):
    result, repaired = one(events, "result"), one(events, "repaired")
    if not result or not repaired:
        case(name, False, events[-3:])
        return
    moved = {m["computation"]: m["to"] for r in result["repairs"] for m in r["moved"]}
    told = {}
    for event in events:
        if event["event"] == "values" and event["heard"] > repaired["heard"]:
            told.update(event["values"])
    variables = {c for c in moved if c in result["assignment"]}
    good = (result["status"] in ("finished", "timeout") and not result["missing"] and moved
            and not set(moved.values()) & set(lost)
            and {a["agent"] for r in result["repairs"] for a in r["agents"]} == set(lost))
    took = repaired["heard"] - when[0]
    valued = variables <= set(told)
    case("%s: cost %s, %s, %.1f s to the repair, valued again %s, moved %s" % (
        name, result.get("cost"), result["status"], took, valued, moved), good and took < 12, (result, repaired))


def main(work, site, solve, *algorithms):
    nft("add table ip plugs; add set ip plugs out { type ipv4_addr; }; add chain ip plugs in "
        "{ type filter hook input priority 0; }; add rule ip plugs in ip daddr @out drop")
    agents = [Agent(work, number) for number in range(COUNT)]
    for agent in agents:
        agent.start(site)
    try:
        for algorithm in algorithms:
            for how, replicas, victims in (("unplugged", 1, agents[1:2]), ("two unplugged", 2, agents[1:3]),
                                           ("killed", 1, agents[4:5])):
                when = []

                def hurt():
                    when.append(time.monotonic())
                    for agent in victims:
                        agent.unplug() if "unplugged" in how else agent.end()

                events = run(work, site, solve, algorithm, replicas, hurt, 20)
                judge("%s, %s" % (algorithm, how), events, [agent.name for agent in victims], when or [0])
                for agent in victims:
                    agent.plug(site)
    finally:
        for agent in agents:
            agent.end()
    print("%d passed, %d failed" % (passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
