"""Tries to break out of the agent's unit, from inside a deployed agent.

run-sandbox puts this into the stand-in's commands `agent` and `--version`.  Each attempt is one line in
the journal, "probe NAME blocked" or "probe NAME OPEN ..."; the last line is "probe end".
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
ATTEMPTS = []


def attempt(function):
    ATTEMPTS.append(function)
    return function


def call(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def reads(path):
    with open(path, "rb") as file:
        file.read(1)


def writes(folder):
    path = os.path.join(folder, "probe-was-here")
    with open(path, "w"):
        pass
    os.unlink(path)


@attempt
def setuid_program():
    # A copy of id(1) that belongs to root and is set-uid: sudo and su are no more.
    said = subprocess.run(["/usr/local/bin/suid-id", "-u"], capture_output=True, text=True).stdout
    if said.strip() != "0":
        raise PermissionError(said)


@attempt
def setuid():
    os.setuid(0)


@attempt
def ssh_keys():
    reads("/etc/ssh/sshd_config")  # anybody may read this one


@attempt
def machine_key():
    reads("/etc/dcop/key")  # the test makes it one that anybody may read


@attempt
def root_home():
    reads("/root/probe")


@attempt
def boot_partition():
    reads("/boot/probe")


@attempt
def users_home():
    reads("/home/pi/probe")


@attempt
def write_outside():
    writes("/srv/open")  # anybody may, outside of the unit


@attempt
def shared_lock():
    writes("/run/lock")  # anybody may, outside of the unit


@attempt
def shared_tmp():
    reads("/tmp/probe")


@attempt
def fills_disk():
    # What it can write to and is no bounded one.
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        paths = [os.path.join(folder, f"probe-{number}") for number in range(4)]
        try:
            for path in paths:
                with open(path, "wb") as file:
                    for _ in range(10):
                        file.write(bytes(1 << 20))
        except OSError as error:
            print("#", folder, error, flush=True)
        else:
            return
        finally:
            for path in paths:
                if os.path.exists(path):
                    os.unlink(path)
    raise PermissionError("each is full before 40 MiB")


@attempt
def fills_inodes():
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        paths = [os.path.join(folder, f"probe-{number}") for number in range(20000)]
        try:
            for path in paths:
                os.mknod(path)
        except OSError:
            continue
        finally:
            for path in paths:
                if os.path.exists(path):
                    os.unlink(path)
        return
    raise PermissionError("each is full before 20,000 files")


@attempt
def fills_notes():
    # NOTES of pydcop_agent.py, where it writes for others: both bytes and files.
    paths = [f"/run/dcop/agent/probe-{number}" for number in range(500)]
    errors = []
    for sizes in (1 << 20,) * 4, (0,) * 500:
        try:
            for path, size in zip(paths, sizes):
                with open(path, "wb") as file:
                    file.write(bytes(size))
        except OSError as error:
            errors.append(error)
        finally:
            for path in paths:
                if os.path.exists(path):
                    os.unlink(path)
    if len(errors) == 2:
        raise errors[0]


@attempt
def kernel_settings():
    with open("/proc/sys/kernel/core_pattern", "w"):
        pass


@attempt
def other_processes():
    os.stat("/proc/1")


@attempt
def kernel_tables():
    reads("/proc/version")


@attempt
def kill_another():
    for name in open("/run/probe-target").read().split():
        os.kill(int(name), 0)


@attempt
def debug():
    call(libc.ptrace(0, 0, 0, 0))  # PTRACE_TRACEME


@attempt
def mount():
    call(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))


@attempt
def user_namespace():
    call(libc.unshare(0x10000000))  # CLONE_NEWUSER


@attempt
def kernel_module():
    call(libc.syscall(313, -1, b"", 0))  # finit_module on x86_64


@attempt
def host_name():
    call(libc.sethostname(b"probe", 5))


@attempt
def raw_socket():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)


@attempt
def packet_socket():
    socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)


@attempt
def netlink_socket():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)


@attempt
def system_bus():
    with socket.socket(socket.AF_UNIX) as bus:
        bus.connect("/run/dbus/system_bus_socket")


@attempt
def writable_code():
    call_mmap = libc.mmap
    call_mmap.restype = ctypes.c_void_p
    call_mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    if call_mmap(None, 4096, 7, 0x22, -1, 0) == ctypes.c_void_p(-1).value:
        raise PermissionError("mmap")


@attempt
def set_uid_file():
    path = "/tmp/probe-suid"
    with open(path, "w"):
        pass
    try:
        os.chmod(path, 0o4755)
    finally:
        os.unlink(path)


@attempt
def realtime():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


@attempt
def personality():
    call(libc.personality(0x0008))  # PER_LINUX32


@attempt
def devices():
    os.stat("/dev/probe")


@attempt
def many_processes():
    pids = []
    try:
        for _ in range(700):
            pid = os.fork()
            if pid == 0:
                signal.pause()
            pids.append(pid)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def sends_to(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.sendto(b"x", (address, 9))  # of this machine itself, for the test


@attempt
def beyond_the_fleet():
    sends_to("203.0.113.5")


@attempt
def another_private_network():
    sends_to("10.99.99.5")


@attempt
def local_services():
    sends_to("127.0.0.1")


@attempt
def cloud_metadata():
    sends_to("169.254.169.254")


def neighbour():
    # Not in ATTEMPTS: it is what agents are for.
    sends_to("10.77.0.200")


def proof():
    # Not in ATTEMPTS: the test starts it when `pydcop --version` runs, as this process.
    with open("/run/proof-pid") as file:
        pid = int(file.read())
    for reach in (lambda: os.kill(pid, 0), lambda: open(f"/proc/{pid}/mem", "r+b").close()):
        try:
            reach()
        except OSError:
            continue
        return
    raise PermissionError("neither its memory nor a signal")


def tell(function):
    try:
        function()
    except (OSError, ValueError) as error:
        print("probe", function.__name__, "blocked", error, flush=True)
    else:
        print("probe", function.__name__, "OPEN", flush=True)


def probe():
    # Each in a process of its own: one that gets through may change what it is.
    for function in ATTEMPTS:
        pid = os.fork()
        if pid == 0:
            tell(function)
            os._exit(0)
        os.waitpid(pid, 0)
    tell(neighbour)
    print("probe end", flush=True)


def await_proof():
    while not os.path.exists("/run/proof-pid"):
        time.sleep(0.1)
    tell(proof)


probe()
if sys.argv[1:] != ["--version"]:
    threading.Thread(target=await_proof, daemon=True).start()
