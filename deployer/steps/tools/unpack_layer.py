"""Unpacks a layer that comes on standard input.

usage: python3 -I -S unpack_layer.py SIZE SHA256 FOLDER

Reads SIZE bytes and no more, also when they are not what they should be or the folder is full:
what follows them is not the layer's.  Exit codes: 0 all is in the folder, 1 tar(1) failed, 3 it
is not the layer with this digest, or it ended too early.

One process, as a layer takes a Raspberry Pi seconds: gzip(1) and sha256sum(1) take half as long
again.
"""
import hashlib
import os
import sys
import zlib

BLOCK = 1 << 17


def start_tar(folder):
    """tar's process id, and the file descriptor to write to."""
    there, here = os.pipe()
    pid = os.posix_spawnp("tar", ["tar", "-xf", "-", "-C", folder], os.environ,
                          file_actions=[(os.POSIX_SPAWN_DUP2, there, 0)])
    os.close(there)
    return pid, here


def copy(size, out):
    """The SHA-256 of what came."""
    digest, inflater = hashlib.sha256(), zlib.decompressobj(16 + zlib.MAX_WBITS)  # gzip
    with os.fdopen(out, "wb", 0) as tar:
        while size:
            block = os.read(0, min(size, BLOCK))
            if not block:
                break
            size -= len(block)
            digest.update(block)
            try:
                rest = memoryview(inflater.decompress(block) if inflater else b"")
                while rest:
                    rest = rest[tar.write(rest):]
            except (zlib.error, BrokenPipeError):
                inflater = None  # the rest is read all the same
    return digest.hexdigest()


def main(size, wanted, folder):
    tar, out = start_tar(folder)
    came = copy(int(size), out)
    _, status = os.waitpid(tar, 0)
    if came != wanted:
        return 3
    return 0 if status == 0 else 1


sys.exit(main(*sys.argv[1:]))
