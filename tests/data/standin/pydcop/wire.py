"""One JSON object a line, over TCP."""

import json


def send(stream, value):
    stream.write(json.dumps(value) + "\n")
    stream.flush()


def receive(stream):
    line = stream.readline()
    return json.loads(line) if line else None
