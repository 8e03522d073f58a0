"""What is measured: cells, and how one measurement of one server goes."""

import contextlib
import dataclasses
import os
import resource
import socket
import subprocess
import time

from . import processes
from .servers import DEADLINE, CannotStart

SECONDS = 5
MOST_MESSAGES = 100_000


@dataclasses.dataclass(frozen=True)
class Cell:
    """One row of the report: octets of a message, connections that send, and how."""

    size: int = 5_000
    connections: int = 10
    reconnect: bool = False
    recipients: int = 1
    idle: int = 0
    generator: str = "load"

    def title(self):
        size = f"{self.size // 1_000_000} MB" if self.size >= 1_000_000 else f"{self.size // 1_000} kB"
        parts = [size, f"{self.connections} {'new' if self.reconnect else 'kept'}"]
        parts += [f"{self.recipients} recipients each"] * (self.recipients > 1)
        parts += [f"{self.idle} idle"] * (self.idle > 0)
        parts += [f"by {self.generator}"] * (self.generator != "load")
        return ", ".join(parts)


GOAL = Cell(connections=100)
QUICK = [Cell(connections=1), Cell(connections=10), GOAL]
SPECIAL = [
    Cell(recipients=10),
    Cell(idle=500),
    Cell(connections=100, generator="smtp-source"),
]
USUAL = [
    *QUICK,
    Cell(connections=500),
    Cell(connections=10, reconnect=True),
    Cell(connections=100, reconnect=True),
    Cell(size=100_000),
    Cell(size=1_000_000),
    *SPECIAL,
]
FULL = [
    Cell(size, connections, reconnect)
    for size in (5_000, 100_000, 1_000_000)
    for reconnect in (False, True)
    for connections in (1, 10, 100, 500)
] + SPECIAL


@dataclasses.dataclass
class Sample:
    """One measurement of one server in one cell."""

    # Messages a second, until the last one was in its Maildirs.
    rate: float = 0.0
    # From the last octet of the data to the acknowledgement; None when the generator does not tell.
    p50_ms: float | None = None
    p99_ms: float | None = None
    # User and system time of the server and its children for each message.
    cpu_ms: float = 0.0
    # The VmHWM of the server's processes, summed, in octets.
    peak: int = 0
    # Files that should be in the Maildirs and are not.
    lost: int = 0
    # What went wrong, if anything.
    remark: str = ""


def measure(server, cell, scratch):
    """Starts the server on new folders, warms it up, loads it, counts what it delivered, and stops it."""
    try:
        server.start(scratch.fresh(), cell)
        rate, warm_up = warm(server, cell)
        if warm_up.remark:
            return warm_up
        messages = int(max(cell.connections * 4, min(rate * SECONDS, room_for(cell, scratch), MOST_MESSAGES)))
        return one_load(server, cell, messages)
    except subprocess.TimeoutExpired as error:
        return Sample(remark=f"no end within {error.timeout} s")
    finally:
        server.stop()


def room_for(cell, scratch):
    """The messages that may be sent without filling the disk; each is a file of whole blocks, and may be queued too."""
    return scratch.room() / 4 / (cell.recipients * (cell.size + 8192))


def warm(server, cell):
    """Fills caches, makes the Maildirs, and finds out roughly how many messages a second are to be expected."""
    first = one_load(server, cell, max(50, cell.connections * 2, server.tools.mailboxes))
    if first.remark or first.rate <= 0:
        return 0, first
    second = one_load(server, cell, int(max(cell.connections * 2, min(first.rate, MOST_MESSAGES / SECONDS))))
    return second.rate, second


def one_load(server, cell, messages):
    """Sends the messages and waits for the files."""
    before, cpu = delivered(server.maildirs), server.cpu_seconds()
    figures = server.load(cell, messages)
    expected = figures["messages"] * cell.recipients
    files, waited = wait_for_files(server, before, expected)
    seconds = figures["seconds"] + waited
    sample = Sample(p50_ms=figures.get("p50_ms"), p99_ms=figures.get("p99_ms"), peak=server.peak())
    if figures["messages"] and seconds > 0:
        sample.rate = figures["messages"] / seconds
        sample.cpu_ms = (server.cpu_seconds() - cpu) * 1000 / figures["messages"]
    if figures["errors"]:
        sample.remark = f"{figures['errors']} of {messages} refused: {figures['first_error']}"
    if files != expected and server.name != "smtp-sink":
        sample.lost = max(0, expected - files)
        sample.remark += f" {expected} files were to be in the Maildirs, {files} are"
    return sample


def delivered(maildirs):
    """Messages in all Maildirs below: files in new/."""
    total = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(os.path.join(maildirs, "example.org")) as boxes:
        for box in boxes:
            with contextlib.suppress(FileNotFoundError):
                total += len(os.listdir(os.path.join(box.path, "new")))
    return total


def wait_for_files(server, before, expected):
    """Waits until the expected files are there: a server with a queue is late. Returns the files and the seconds.

    Looking costs time that the server could use, so it is done seldom while much is missing.
    """
    begin = time.monotonic()
    if server.name == "smtp-sink":
        return expected, 0.0
    files = delivered(server.maildirs) - before
    waited = 0.0
    progress = begin
    while files < expected and time.monotonic() - progress < DEADLINE / 2:
        time.sleep(min(0.5, max(0.01, (expected - files) / 10_000)))
        earlier, files = files, delivered(server.maildirs) - before
        waited = time.monotonic() - begin
        if files > earlier:
            progress = time.monotonic()
    return files, waited


def hold_idle(server, count, scratch):
    """Memory of the server with `count` idle connections. Returns octets without and with them, and a Sample of the
    mail that is taken meanwhile."""
    cell = Cell(connections=10)
    try:
        server.start(scratch.fresh(), cell)
        one_load(server, cell, 1000)
        empty = processes.memory(server.pid, "VmRSS")
        with contextlib.ExitStack() as held:
            for number in range(count):
                connection = held.enter_context(open_idle(server.port, number))
                if not connection.recv(512).startswith(b"220"):
                    raise CannotStart(f"idle connection {number} was not greeted")
            full = processes.memory(server.pid, "VmRSS")
            return empty, full, one_load(server, cell, 2000)
    except OSError as error:
        raise CannotStart(f"{count} idle connections: {error}") from error
    finally:
        server.stop()


def open_idle(port, number):
    """A connection from 127.0.0.2 on, 250 from each address."""
    source = (f"127.0.0.{2 + number // 250 % 250}", 0)
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=source)


def raise_file_limit():
    """As many open files as the system grants; the servers inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
