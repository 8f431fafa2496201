"""A program on a terminal of its own, and someone who answers it.

usage: terminal.py ANSWERS COMMAND [ARGUMENT...]

ANSWERS is a file of lines PROMPT<tab>ANSWER: each is given once its prompt has been
seen, in their order; "^C" is Ctrl-C.  What the terminal shows goes to standard output;
the exit code is the command's, 128 and the number for a signal.
"""
import os
import pty
import sys

with open(sys.argv[1]) as answers:
    script = [line.rstrip("\n").split("\t") for line in answers]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
seen = b""
while True:
    try:
        got = os.read(fd, 4096)
    except OSError:
        break
    if not got:
        break
    sys.stdout.buffer.write(got)
    seen += got
    if script and script[0][0].encode() in seen:
        seen = b""
        os.write(fd, script.pop(0)[1].replace("^C", "\x03").encode() + b"\n")
status = os.waitpid(pid, 0)[1]
sys.exit(status >> 8 if status < 0x7F00 and not status & 0x7F else 128 + (status & 0x7F))
