#!/usr/bin/env python3
"""http-hostile PORT PID TOKEN CASE: one client that dcop-controller has to bear.

Prints what it saw, one line; exits 0 when the service bore it.  PID is the
service's: its memory is looked at.
"""

import json
import os
import resource
import select
import socket
import subprocess
import sys
import threading
import time

PORT, PID, TOKEN = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
MARK = "zq7marker"


def connect(timeout=10):
    s = socket.create_connection(("127.0.0.1", PORT), timeout=timeout)
    return s


def say(data, timeout=10):
    """The whole answer to these bytes, b"" when the line was cut."""
    s = connect(timeout)
    got = b""
    try:
        s.sendall(data)
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            got += piece
    except (ConnectionError, socket.timeout):
        pass
    s.close()
    return got


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1") else 0


def request(method, path, headers="", body=b"", host=None):
    host = host or f"127.0.0.1:{PORT}"
    return (f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n").encode() + body


def rss():
    with open(f"/proc/{PID}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def alive():
    return status(say(request("GET", "/healthz"))) in (200, 503)


def case_garbage():
    """Bytes that are no HTTP, half a request, a header without end, a NUL."""
    auth = f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    for data in (
        b"\x00" * 5000,
        bytes(range(256)) * 40,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /\x00x HTTP/1.1\r\nHost: a\r\n\r\n",
        request("GET", "/" + "a" * 100000),
        request("GET", "/", "X: " + "b" * 100000 + "\r\n"),
        request("GET", "/", "X: y\r\n" * 20000),
        request("POST", "/api/v1/deploy", auth + "Content-Length: -1\r\n"),
        request("POST", "/api/v1/deploy", auth + "Content-Length: 99999999999999999999\r\n"),
        request("POST", "/api/v1/deploy", auth + "Transfer-Encoding: chunked\r\n", b"zz\r\n"),
        request("POST", "/api/v1/deploy", auth + "Transfer-Encoding: chunked\r\n", b"ffffffffffffffff\r\n"),
    ):
        answer = say(data, 3)
        assert status(answer) in (0, 400, 403, 404, 405, 413, 414, 421, 431, 501, 505), answer[:100]
    return "12 kinds"


def case_json():
    """Bodies that are not what is meant."""
    auth = f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    bodies = [
        b"{", b"[]", b"null", b'"x"', b'{"all":1}', b'{"machines":"x"}', b'{"machines":[]}',
        b'{"all":true,"machines":["a"]}', b"\xff\xfe", b'{"a":1,"a":2}', b"[" * 60000,
        b'{"machines":' + b"[" * 30000 + b"]" * 30000 + b"}", b'{"machines":["\\u0000"]}',
        b'{"machines":' + json.dumps(["x"] * 1001).encode() + b"}",
    ]
    for body in bodies:
        for path in ("deploy", "retry", "poweroff"):
            answer = say(request("POST", f"/api/v1/{path}", auth + f"Content-Length: {len(body)}\r\n", body))
            assert status(answer) in (202, 400, 422), (body[:40], answer[:200])
    for path, body in (("assign", b'{"agents":["a\\nb"]}'), ("accept", b'{"hostkey":1}'), ("forget", b"{}")):
        answer = say(request("POST", f"/api/v1/machines/0123456789abcdef/{path}",
                             auth + f"Content-Length: {len(body)}\r\n", body))
        assert status(answer) == 404, answer[:200]
    return f"{len(bodies)} bodies"


def case_reflection():
    """Nothing of a request is in an answer."""
    auth = f"Authorization: Bearer {MARK}\r\n"
    for data in (
        request("GET", f"/{MARK}"), request("GET", f"/api/v1/{MARK}"), request("GET", f"/api/v1/runs/{MARK}"),
        request("GET", f"/api/v1/machines/{MARK}"), request("GET", f"/api/v1/inventory?format={MARK}"),
        request(MARK, "/"), request("GET", "/", host=MARK), request("GET", "/", f"Origin: http://{MARK}\r\n"),
        request("POST", "/api/v1/deploy", auth),
        request("POST", "/api/v1/deploy", f"Authorization: Bearer {TOKEN}\r\nContent-Type: {MARK}\r\n"),
        request("POST", "/api/v1/deploy", f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(MARK) + 17}\r\n", b'{"machines":["' + MARK.encode() + b'"]}'[:3]),
    ):
        answer = say(data)
        assert MARK.encode() not in answer, answer
    return "11 places"


def case_traversal():
    for path in ("/../token", "/..%2ftoken", "/%2e%2e/token", "//etc/passwd", "/.//../state.db", "/./token",
                 "/token", "/..\\token", "/%00", "/index.html/../../token"):
        answer = say(request("GET", path))
        assert status(answer) in (400, 404), (path, answer[:200])
    return "10 paths"


def case_slow():
    """A header that never ends, a byte a second: cut off within 40 s."""
    s = connect(60)
    s.sendall(b"GET / HTTP/1.1\r\nHost: ")
    start = time.monotonic()
    while time.monotonic() - start < 60:
        try:
            s.sendall(b"a")
        except ConnectionError:
            break
        readable, _, _ = select.select([s], [], [], 1)
        if readable and not s.recv(100):
            break
    took = time.monotonic() - start
    assert took < 40, took
    return f"cut off after {took:.0f} s"


class Good:
    """Somebody who asks for the page's data every 20 ms meanwhile."""

    def __init__(self):
        self.times, self.failed, self.end = [], 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.end.wait(0.02):
            start = time.monotonic()
            if status(say(request("GET", "/api/v1/status"), 5)) == 200:
                self.times.append((time.monotonic() - start) * 1000)
            else:
                self.failed += 1

    def told(self, worst=1000):
        self.end.set()
        self.thread.join()
        t = sorted(self.times)
        words = (f"a good client: {len(t)} answers, {self.failed} refused, p50 {t[len(t) // 2]:.1f}, "
                 f"p99 {t[len(t) * 99 // 100]:.1f} ms" if t else f"a good client: {self.failed} refused")
        assert t and not self.failed and t[len(t) * 99 // 100] < worst, words
        return words


def case_connections():
    """10,000 connections that say nothing, 1,000 at once; everybody else is served meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    before, held, made, most = rss(), [], 0, 0
    good = Good()
    for i in range(10000):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", PORT))
        held.append(s)
        made += 1
        if len(held) >= 1000:
            held.pop(0).close()
        if i % 100 == 0:
            most = max(most, rss())
            time.sleep(0.05)
    words = good.told()
    for s in held:
        s.close()
    assert most - before < 40000, (before, most)
    return f"{made} made, {(most - before) / 1024:.1f} MiB more; {words}"


def case_smuggling():
    """What two readers could read in two ways is refused, or read in the one safe way."""
    json_head = f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    host = f"Host: 127.0.0.1:{PORT}\r\n".encode()
    inner = b"GET /api/v1/roster HTTP/1.1\r\n" + host + b"\r\n"
    for name, data in (
        ("both lengths", request("POST", "/api/v1/retry", json_head + "Content-Length: 5\r\n"
                                 "Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + inner)),
        ("two lengths", request("POST", "/api/v1/retry", json_head + "Content-Length: 2\r\n"
                                f"Content-Length: {len(inner) + 2}\r\n", b"{}" + inner)),
        ("length +2", request("POST", "/api/v1/retry", json_head + "Content-Length: +2\r\n", b"{}" + inner)),
        ("an unknown coding", request("POST", "/api/v1/retry", json_head + "Transfer-Encoding: x\r\n",
                                      b"{}" + inner)),
        ("two hosts", request("GET", "/api/v1/roster", "Host: evil.example\r\n")),
        ("a space before the colon", request("GET", "/api/v1/roster", "Host : evil.example\r\n")),
        ("no host", b"GET /api/v1/roster HTTP/1.1\r\nConnection: close\r\n\r\n"),
        ("no host in HTTP/1.0", b"GET /api/v1/roster HTTP/1.0\r\n\r\n"),
        ("another site's absolute URI", b"GET http://evil.example/api/v1/roster HTTP/1.1\r\n" + host
         + b"Connection: close\r\n\r\n"),
    ):
        answer = say(data, 3)
        assert status(answer) in (0, 400, 404, 413, 421, 501), (name, answer[:300])
        assert b"HTTP/1.1 2" not in answer, (name, answer)  # nor is what follows taken for a request
    return "9 kinds"


def case_odd():
    """Odd, but no harm: pipelining, HTTP/1.0, a trickled body, garbage for ids, method overrides."""
    line = f"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\n"
    answer = say((line + "\r\n").encode() * 20 + (line + "Connection: close\r\n\r\n").encode())
    assert answer.count(b"HTTP/1.1 200 ") == 21, answer.count(b"HTTP/1.1 ")
    assert status(say(f"GET /api/v1/status HTTP/1.0\r\nHost: 127.0.0.1:{PORT}\r\n\r\n".encode())) == 200
    for override in ("X-HTTP-Method-Override: POST", "X-Method-Override: DELETE", "X-HTTP-Method: POST"):
        assert status(say(request("GET", "/api/v1/deploy", override + "\r\n"))) == 405
        assert status(say(request("POST", "/api/v1/deploy", override.replace("POST", "GET") + "\r\n"))) == 401
    for tag in ("*", '"', "W/" * 5000, '"' + "a" * 9000 + '"', "\xff\xfe"):
        assert status(say(request("GET", "/", f"If-None-Match: {tag}\r\n"))) in (200, 304, 400), tag[:20]
    for last in ("-1", "x" * 9000, "0-0", "99999999999999999999", "%s%n", "\xff", "00000000-1"):
        s = connect(10)
        s.sendall(request("GET", "/api/v1/events", f"Last-Event-ID: {last}\r\n"))
        read_until(s, b"event: snapshot", time.monotonic() + 5)
        s.close()
    s = connect(20)
    body = b'{"machines":["x"]}'
    s.sendall(request("POST", "/api/v1/retry", f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
                      f"Content-Length: {len(body)}\r\n"))
    for byte in body:
        s.sendall(bytes([byte]))
        time.sleep(0.05)
    assert status(s.recv(65536)) == 202
    s.close()
    return "pipelining, HTTP/1.0, 3 overrides, 5 tags, 7 event ids, a trickled body"


def case_tokens():
    """No token but the one, however it is written."""
    for given in ("", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}",
                  f"Bearer {TOKEN.swapcase()}", "Bearer " + "a" * 9000, f"Bearer {TOKEN}, Bearer x"):
        answer = say(request("POST", "/api/v1/deploy", f"Authorization: {given}\r\nContent-Length: 0\r\n"))
        assert status(answer) in (400, 401), (given[:30], answer[:100])
    assert status(say(request("POST", f"/api/v1/deploy?token={TOKEN}", f"Cookie: token={TOKEN}\r\n"))) == 401
    return "10 kinds"


def listener(last=None):
    s = connect(30)
    s.sendall(request("GET", "/api/v1/events", f"Last-Event-ID: {last}\r\n" if last else "").replace(b"Connection: close\r\n", b""))
    return s


def read_until(s, word, deadline):
    got = b""
    while word not in got:
        s.settimeout(max(0.01, deadline - time.monotonic()))
        piece = s.recv(65536)
        assert piece, "cut off"
        got += piece
    return got


def publish(name, agent):
    return subprocess.Popen(["avahi-publish", "-s", f"dcop-{name}", "_dcop-agent._tcp", "22", "txtvers=1",
                             f"id={name}", f"agent={agent}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def case_listeners():
    """200 listeners hear of a machine, and it costs little."""
    before = rss()
    all_of_them = [listener() for _ in range(200)]
    for s in all_of_them:
        read_until(s, b"event: snapshot", time.monotonic() + 10)
    child = publish("00000000000000aa", "load")
    times = []
    try:
        for s in all_of_them:
            read_until(s, b"00000000000000aa", time.monotonic() + 15)
            times.append(time.monotonic())
    finally:
        child.terminate()
        child.wait()
    most = rss()
    spread = (times[-1] - times[0]) * 1000
    for s in all_of_them:
        s.close()
    assert spread < 500, spread
    return f"the last {spread:.0f} ms after the first, {(most - before) / 1024:.1f} MiB"


def case_deaf():
    """A listener that reads nothing, while thousands of events come, holds up nobody."""
    deaf = listener()
    before = rss()
    for i in range(40):
        publish_child = publish(f"{0xbb00 + i:016x}", f"deaf{i}")
        time.sleep(0.05)
        publish_child.terminate()
        publish_child.wait()
    other = listener()
    read_until(other, b"event: snapshot", time.monotonic() + 5)
    assert alive()
    more = (rss() - before) / 1024
    deaf.close()
    other.close()
    assert more < 30, more
    return f"{more:.1f} MiB"


said = globals()["case_" + sys.argv[4]]()
os.kill(PID, 0)
assert alive()
print(said)
