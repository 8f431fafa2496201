"""Answer the machines before the run is open: while pyDCOP is imported and the problem prepared.

A launcher that has the agents of the run before learns here that this one is over; one that waits
is asked to wait.  Their connections are held, and closed when the run opens, so that they ask again.
"""

import json
import os
import select
import threading

RUN_PREFIX = b"GET /dcop/run"  # RUN_PATH of pydcop_shim.py, which is not imported yet
REQUEST_MAX = 65536  # bytes
HELD_MAX = 900  # connections: a process has 1024 files


class Early:
    """Serves a socket that listens, on a thread of its own, until end()."""

    def __init__(self, listener, about):
        body = json.dumps({"instance": os.urandom(8).hex(), "pydcop": None, "open": False, "agents": {},
                           "replication": None, "about": about}).encode() + b"\n"
        self.answer = (b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                       % len(body)) + body
        self.listener, self.links = listener, {}  # number: the connection, and what it asks
        self.poll, (self.ending, self.word) = select.poll(), os.pipe()
        listener.setblocking(False)
        for source in (listener, self.ending):
            self.poll.register(source, select.POLLIN)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def end(self):
        """Once; the socket is the caller's again."""
        os.close(self.word)
        self.thread.join()
        os.close(self.ending)
        self.listener.setblocking(True)
        for link, _ in self.links.values():
            link.close()

    def serve(self):
        while True:
            for number, _ in self.poll.poll():
                if number == self.ending:
                    return
                try:
                    if number == self.listener.fileno():
                        self.accept()
                    elif not self.hear(*self.links[number]):
                        self.drop(number)
                except OSError:
                    self.drop(number)

    def accept(self):
        link = self.listener.accept()[0]
        if len(self.links) >= HELD_MAX:
            link.close()
            return
        link.setblocking(False)
        self.links[link.fileno()] = link, bytearray()
        self.poll.register(link, select.POLLIN)

    def hear(self, link, asked):
        """Is the connection to be held?"""
        more, answered = link.recv(REQUEST_MAX), b"\r\n\r\n" in asked
        asked += more
        if not more or len(asked) > REQUEST_MAX:
            return False
        if answered or b"\r\n\r\n" not in asked:
            return True
        if not asked.startswith((RUN_PREFIX + b"?", RUN_PREFIX + b" ")):
            link.send(b"HTTP/1.0 404 Not Found\r\n\r\n")
            return False
        return link.send(self.answer) == len(self.answer)

    def drop(self, number):
        if number in self.links:
            self.poll.unregister(number)
            self.links.pop(number)[0].close()
