"""Processes as /proc shows them: trees, CPU time, memory; and how they are run and stopped."""

import os
import signal
import socket
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")


def say(text):
    """Progress, for whoever watches; the report goes to standard output."""
    print(text, flush=True, file=sys.stderr)


def stat(pid):
    """The fields of /proc/PID/stat from the state on, or None when there is no such process (or a zombie only)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields


def tree(root):
    """The processes below and with `root`: a dict from pid to start time, so that a reused pid is not mistaken."""
    found, children = {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        fields = stat(name)
        if fields:
            found[int(name)] = fields[19]
            children.setdefault(int(fields[1]), []).append(int(name))
    members, waiting = {}, [root]
    while waiting:
        pid = waiting.pop()
        if pid in found:
            members[pid] = found[pid]
            waiting += children.get(pid, [])
    return members


def cpu_seconds(root):
    """User and system time of the tree, with that of the children which have ended and were waited for."""
    return sum(sum(map(int, fields[11:15])) for fields in map(stat, tree(root)) if fields) / TICKS


def memory(root, field):
    """`field` (VmHWM, VmRSS) of /proc/PID/status summed over the tree, in octets. Shared pages count in each process."""
    total = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                lines = [line for line in file if line.startswith(field + ":")]
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines)
    return total


def stop(root, patience=15):
    """Ends the tree of `root`: asks the root, waits up to `patience` seconds, then kills what is left, pid by pid."""
    members = tree(root)
    send(root, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        left = [pid for pid, start in members.items() if (stat(pid) or [None] * 20)[19] == start]
        if not left:
            return
        time.sleep(0.02)
    for pid in left:
        send(pid, signal.SIGKILL)


def send(pid, number):
    """Sends a signal; a process that is gone already is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def run(arguments, timeout):
    """Runs a program to its end, `timeout` seconds at most. Returns its exit status, standard output, standard error
    and the CPU seconds it took; no other child may end meanwhile."""
    before = os.times()
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    after = os.times()
    seconds = after.children_user - before.children_user + after.children_system - before.children_system
    return process.returncode, output, errors, seconds


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def greets(port):
    """Whether a server on 127.0.0.1 greets with 220."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(512).startswith(b"220")
    except OSError:
        return False
