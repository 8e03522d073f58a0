"""How many syncs a message costs: system calls of the server's processes, counted from outside in a run of its own.

`perf stat` counts the kernel's trace points and hardly disturbs; where it is missing, `strace -c` counts the same, and
slows the server down so much that fewer messages may share a sync.
"""

import contextlib
import os
import signal
import subprocess
import time

from . import cells, processes
from .cells import Disappointed
from .servers import CannotStart

CALLS = ("fsync", "fdatasync", "sync_file_range", "syncfs")
ATTEMPTS = 5
# Seconds to attach to all processes of a server.
PATIENCE = 20


class Counter:
    """Counts the calls of processes that run already, or of a program that is started under it."""

    def __init__(self, file):
        self.file, self.process = file, None
        self.method = "perf stat" if perf_counts() else "strace -f -c" if strace_works() else None

    def command(self):
        """The counting program; what it is to count follows."""
        if self.method == "perf stat":
            events = ",".join(f"syscalls:sys_enter_{call}" for call in CALLS)
            return ["perf", "stat", "-x", ",", "-o", self.file, "-e", events]
        return ["strace", "-f", "-c", "-qq", "-o", self.file, "-e", "trace=" + ",".join(CALLS)]

    def attach(self, root):
        """Begins to count what the tree of `root` does from now on, and all that it will start."""
        for _ in range(ATTEMPTS):
            # A process that ends just now makes the program give up.
            if self.attached(list(map(str, processes.tree(root)))):
                return
            self.detach()
            time.sleep(0.5)
        raise CannotStart(f"{self.method} did not attach to the server")

    def attached(self, pids):
        """Starts the program on `pids`, and waits until it counts all of them: it tells nobody, but then it opens no
        more files, and strace traces every process."""
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [*self.command(), "-p", ",".join(pids)]
        self.process = subprocess.Popen(command, start_new_session=True, **quiet)
        before, deadline = None, time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            time.sleep(0.5)
            if self.process.poll() is not None:
                return False
            now = self.open_files(), self.traced(pids)
            if now == before and (self.method == "perf stat" or now[1] == len(pids)):
                return True
            before = now
        return False

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def traced(self, pids):
        """How many of the processes have somebody who traces them, or have ended."""
        free = 0
        for pid in pids:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                free += "TracerPid:\t0\n" in file.read()
        return len(pids) - free

    def detach(self):
        if self.process is not None:
            processes.send(self.process.pid, signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def total(self):
        """The calls counted."""
        with open(self.file, encoding="utf-8") as file:
            lines = file.read().splitlines()
        if self.method == "perf stat":
            counts = [line.split(",")[0] for line in lines if "sys_enter_" in line]
        else:
            rows = [line.split() for line in lines]
            counts = [row[3] for row in rows if row and row[-1] in CALLS]
        return sum(int(count) for count in counts if count.isdigit())


def perf_counts():
    """Whether perf is there and may count trace points."""
    command = ["perf", "stat", "-x", ",", "-e", "syscalls:sys_enter_fsync", "true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and any(
        line.split(",")[0].isdigit() for line in done.stderr.splitlines() if "sys_enter_fsync" in line
    )


def strace_works():
    command = ["strace", "-c", "-o", "/dev/null", "true"]
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def per_message(server, cell, scratch):
    """Syncs per message of one server in one cell, and how they were counted. Raises CannotStart."""
    counter = Counter(os.path.join(scratch.home, "syncs"))
    if counter.method is None:
        raise CannotStart("neither perf nor strace may count system calls here")
    try:
        with cells.started(server, cell, scratch) as rate:
            messages = cells.messages_for(server, cell, min(rate, 2000), scratch)
            if server.is_program:
                server.wrapper = counter.command()
            elif server.root_pid() is None:
                raise CannotStart("its pid is not known")
            else:
                counter.attach(server.root_pid())
            sample = cells.one_load(server, cell, messages)
            counter.detach()
    except Disappointed as error:
        raise CannotStart(error.sample.remark) from error
    finally:
        counter.detach()
        server.wrapper = []
    if sample.remark:
        raise CannotStart(sample.remark)
    return counter.total() / messages, counter.method
