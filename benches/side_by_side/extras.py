"""Measurements that are no row of the table: idle connections, many large messages at once, a long run, and how long
after its acknowledgement a message can be seen."""

import contextlib
import os
import socket
import statistics
import subprocess
import threading
import time

from . import cells, processes
from .cells import Cell, Disappointed
from .servers import DEADLINE, MEMORY_LIMIT, CannotStart

BIG = Cell(size=25_000_000, connections=500)
LONG = Cell(connections=100)
VISIBLE = Cell(connections=10)
PROBES, PROBES_A_SECOND = 400, 20


class Table:
    """One table of the report: what `measure` gives for each server that is wanted and there."""

    def __init__(self, title, head, names, measure):
        self.title, self.head, self.names, self.measure = title, ["", *head], names, measure
        self.rows = []

    def fill(self, subjects, failed, scratch):
        """Measures; a server that cannot do it has its reason in the row."""
        for server in subjects:
            if server.name not in self.names or server.name in failed:
                continue
            processes.say(f"{self.title}: {server.name}")
            try:
                rows = self.measure(server, scratch)
            except Disappointed as error:
                rows = [[error.sample.remark]]
            except (OSError, CannotStart, subprocess.TimeoutExpired) as error:
                rows = [[str(error)]]
            for row in rows:
                row += [""] * (len(self.head) - 1 - len(row))
                self.rows.append([server.name, *row])
                processes.say(" | ".join(row))


def megabytes(octets):
    return f"{octets / 1e6:,.1f}"


def remark_of(sample):
    return sample.remark.strip() or "–"


def idle(count):
    """The server with `count` connections that say nothing, and without them."""

    def measure(server, scratch):
        cell = Cell(connections=10)
        with cells.started(server, cell, scratch) as rate:
            messages = cells.messages_for(server, cell, rate, scratch)
            alone = cells.one_load(server, cell, messages)
            empty = processes.memory(server.pid, "VmRSS")
            with contextlib.ExitStack() as held:
                for number in range(count):
                    connection = held.enter_context(open_idle(server.port, number))
                    if not connection.recv(512).startswith(b"220"):
                        raise CannotStart(f"idle connection {number} was not greeted")
                full = processes.memory(server.pid, "VmRSS")
                beside = cells.one_load(server, cell, messages)
        each = f"{(full - empty) / count / 1000:.2f}"
        ratio = f"{beside.rate / alone.rate:.2f}" if alone.rate else "–"
        rates = [f"{alone.rate:,.0f}", f"{beside.rate:,.0f}", ratio]
        return [[*rates, megabytes(empty), megabytes(full), each, remark_of(beside)]]

    head = ["messages/s without", "with", "with / without", "MB without", "MB with", "kB each", "remark"]
    return Table(f"{count:,} idle connections while 10 send", head, ("maiasaura full",), measure)


def open_idle(port, number):
    """A connection from 127.0.0.2 on, 250 from each address."""
    source = (f"127.0.0.{2 + number // 250 % 250}", 0)
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=source)


def big():
    """Every client sends one large message at the same time: peak memory beside the limit."""

    def measure(server, scratch):
        server.start(scratch.fresh(), BIG)
        try:
            # A file may be in tmp/ and in a log at once, and the disk wants air.
            size = min(BIG.size, int(scratch.room() / 1.3 / BIG.connections))
            cell = Cell(size=size, connections=BIG.connections)
            sample = cells.one_load(server, cell, cell.connections, DEADLINE * 5)
        finally:
            server.stop()
        ratio = f"{sample.peak / MEMORY_LIMIT:.2f}"
        rate = f"{sample.rate * size / 1e6:,.0f}"
        return [[f"{size / 1e6:.1f}", rate, megabytes(sample.peak), megabytes(MEMORY_LIMIT), ratio, remark_of(sample)]]

    head = ["MB each", "MB/s", "peak MB", "limits.memory, MB", "peak / limit", "remark"]
    title = f"{BIG.connections} clients that send a message of {BIG.size // 1_000_000} MB each, all at once"
    return Table(title, head, ("maiasaura full", "maiasaura journal"), measure)


def long(seconds):
    """A load of so many seconds beside a short one on the same running server."""

    def measure(server, scratch):
        with cells.started(server, LONG, scratch) as rate:
            short = cells.one_load(server, LONG, cells.messages_for(server, LONG, rate, scratch))
            messages = cells.messages_for(server, LONG, short.rate or rate, scratch, seconds)
            sample = cells.one_load(server, LONG, messages, seconds * 3 + DEADLINE)
        taken = messages / sample.rate if sample.rate else 0
        ratio = f"{sample.rate / short.rate:.2f}" if short.rate else "–"
        wraps = f"{messages * LONG.size / (64 << 20):,.0f}"
        rates = [f"{short.rate:,.0f}", f"{sample.rate:,.0f}", ratio]
        return [[*rates, f"{messages:,}", f"{taken:,.0f}", wraps, megabytes(sample.peak), remark_of(sample)]]

    head = ["short, messages/s", "long", "long / short", "messages", "s", "64 MiB filled, times", "peak MB", "remark"]
    title = f"{LONG.title()}, for about {seconds} s (fewer where the disk has no room)"
    return Table(title, head, ("maiasaura full", "maiasaura journal"), measure)


def visible():
    """From the acknowledgement to the file in new/, for few messages beside a load."""

    def measure(server, scratch):
        with cells.started(server, VISIBLE, scratch) as rate:
            # The load shall outlast the probes, also where it is faster than the warm-up was.
            seconds = 1.5 * PROBES / PROBES_A_SECOND
            messages = cells.messages_for(server, VISIBLE, rate, scratch, seconds)
            loads = []
            load = threading.Thread(target=lambda: loads.append(server.load(VISIBLE, messages)))
            load.start()
            try:
                waits = probe(server, VISIBLE.boxes(server.tools), load)
            finally:
                load.join()
        if not loads or len(waits) < 20:
            raise CannotStart(f"the load ended after {len(waits)} probes")
        waits.sort()
        figures = [statistics.median(waits), waits[int(len(waits) * 0.99)], waits[-1]]
        beside = loads[0]["messages"] / loads[0]["seconds"] if loads[0]["seconds"] else 0
        return [[str(len(waits)), *(f"{1000 * wait:.1f}" for wait in figures), f"{beside:,.0f}"]]

    head = ["probes", "p50 ms", "p99 ms", "most ms", "messages/s beside"]
    names = ("maiasaura full", "maiasaura journal", "postfix", "exim")
    return Table(f"From the 250 to the file in new/, beside a load of {VISIBLE.title()}", head, names, measure)


def probe(server, mailbox, load):
    """Sends messages to a mailbox that nobody else uses, while `load` lives; waits for each to appear. Returns the
    seconds each took after its acknowledgement."""
    new = os.path.join(server.maildirs, f"example.org/user{mailbox}/new")
    waits = []
    with contextlib.closing(Client(server.port)) as client:
        while len(waits) < PROBES and load.is_alive():
            begin = time.monotonic()
            client.send(f"user{mailbox}@example.org")
            acknowledged = time.monotonic()
            while count(new) <= len(waits):
                if time.monotonic() - acknowledged > DEADLINE / 2:
                    raise CannotStart("an acknowledged message did not appear")
                # Half a millisecond is what this can tell apart.
                time.sleep(0.0005)
            waits.append(time.monotonic() - acknowledged)
            time.sleep(max(0, begin + 1 / PROBES_A_SECOND - time.monotonic()))
    return waits


def count(folder):
    try:
        return len(os.listdir(folder))
    except FileNotFoundError:
        return 0


class Client:
    """An SMTP client on a kept connection; every reply but the one that is hoped for is an OSError."""

    BODY = b"Subject: a probe\r\n\r\n" + b"Is it there yet?\r\n" * 250 + b".\r\n"

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")
        self.expect(b"220")
        self.say(b"EHLO client.example.net\r\n", b"250")

    def say(self, line, hoped):
        self.socket.sendall(line)
        self.expect(hoped)

    def expect(self, hoped):
        while True:
            line = self.replies.readline()
            if not line.startswith(hoped):
                raise OSError(f"the server said {line!r}")
            if line[3:4] != b"-":
                return

    def send(self, recipient):
        """Sends one message; returns when it is acknowledged."""
        self.say(b"MAIL FROM:<probe@example.net>\r\n", b"250")
        self.say(f"RCPT TO:<{recipient}>\r\n".encode(), b"25")
        self.say(b"DATA\r\n", b"354")
        self.say(self.BODY, b"250")

    def close(self):
        self.replies.close()
        self.socket.close()
