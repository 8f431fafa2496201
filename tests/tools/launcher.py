"""Three agents and their orchestrators, for tests/long/launcher.

usage: launcher.py FOLDER, with the Python of a venv that has pyDCOP and our shim
"""
import json
import os
import signal
import subprocess
import sys
import time

PORT = 9000
NAMES = ["a1", "a2", "a3"]
PROBLEM = """name: three
objective: min
domains: {colors: {values: [0, 1], type: color}}
variables: {v1: {domain: colors}, v2: {domain: colors}, v3: {domain: colors}}
constraints:
  c1: {type: intention, function: 5 if v1 == v2 else v1}
  c2: {type: intention, function: 5 if v2 == v3 else 0}
agents: {a1: {capacity: 50}, a2: {capacity: 60}, a3: {capacity: 70}}
"""
BEST = {"v1": 0, "v2": 1, "v3": 0}
passed = failed = 0


def case(name, good, said=""):
    global passed, failed
    print("%sok - %s%s" % ("" if good else "not ", name, "" if good else ": %s" % (said,)), flush=True)
    passed, failed = passed + bool(good), failed + (not good)


def agent(work, number, name):
    folder = os.path.join(work, name)
    os.makedirs(os.path.join(folder, "notes"))
    with open(os.path.join(folder, "agents"), "w") as f:
        f.write(name + "\n")
    with open(os.path.join(folder, "conf"), "w") as f:
        f.write("orchestrator 127.0.0.1:%d\naddress 127.0.0.%d\nport %d\n" % (PORT, number + 2, 9001 + number))
    code = ("import pydcop_agent as p; p.AGENTS, p.SETTINGS, p.NOTES = %r, %r, %r; p.agent()"
            % tuple(os.path.join(folder, n) for n in ("agents", "conf", "notes")))
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], cwd=folder,
                            stdout=open(os.path.join(folder, "log"), "w"), stderr=subprocess.STDOUT,
                            env=dict(os.environ, PYTHONUNBUFFERED="1", OPENBLAS_NUM_THREADS="1"))


def orchestrator(work, algorithm, timeout):
    code = "import sys; from pydcop_agent import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, "-t", str(timeout), "orchestrator", "--address", "127.0.0.1",
         "--port", str(PORT), "-a", algorithm, "-d", "oneagent", os.path.join(work, "problem.yaml")],
        cwd=work, stdout=open(os.path.join(work, "result"), "w"), stderr=subprocess.STDOUT)


def read(*path):
    with open(os.path.join(*path)) as f:
        return f.read()


def computing(work):
    return sum(read(work, name, "log").count(" computes ") for name in NAMES)


def await_true(seconds, condition):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def at_work(work):
    return [name for name in NAMES if os.path.exists(os.path.join(work, name, "notes", "work"))]


def main(work):
    with open(os.path.join(work, "problem.yaml"), "w") as f:
        f.write(PROBLEM)
    agents = [agent(work, number, name) for number, name in enumerate(NAMES)]
    try:
        for round in (1, 2, 3):
            run = orchestrator(work, "dsa", 60)
            good = await_true(20, lambda: computing(work) == 3 * round)
            case("run %d: all agents compute" % round, good, read(work, "result")[-500:])
            case("and say that they are at work", await_true(5, lambda: at_work(work) == NAMES), at_work(work))
            run.send_signal(signal.SIGKILL)
            run.wait()
        case("after a killed orchestrator nobody is at work", await_true(5, lambda: not at_work(work)), at_work(work))
        run = orchestrator(work, "dpop", 6)
        run.wait(60)
        text = read(work, "result")
        start = text.rfind("\n{\n") + 1 if "\n{\n" in text else text.find("{")
        result = json.JSONDecoder().raw_decode(text[start:])[0] if start >= 0 else {}
        case("dpop then finds the best assignment", result.get("assignment") == BEST, text[-500:])
        case("and no agent has failed", not any(os.path.exists(os.path.join(work, n, "notes", "err")) for n in NAMES))
    finally:
        for process in agents:
            process.terminate()
        for process in agents:
            process.wait(10)
    print("%d passed, %d failed" % (passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
