"""Whether a message costs the same however much lies there: messages in one Maildir, and Maildirs."""

import os

from . import cells
from .cells import Cell
from .extras import Table, megabytes, remark_of
from .processes import memory, say
from .servers import run_tool

MESSAGES_IN_ONE = (1_000, 10_000, 100_000)
MAILDIRS = (10, 100, 1_000, 10_000, 100_000)
CONNECTIONS = 10
NAMES = ("maiasaura full", "maiasaura journal")
HEAD = ["messages/s", "to the first", "CPU ms each", "p50 ms", "p99 ms", "MB", "remark"]


def tables():
    return [
        Table("Cost of a message by messages in the one Maildir", ["messages there", *HEAD], (*NAMES, "bare"), in_one),
        Table("Cost of a message by Maildirs", ["Maildirs", *HEAD], NAMES, over_many),
    ]


def in_one(server, scratch):
    """A Maildir is filled by the bare loop, without syncs, to each of the steps; the server delivers into it."""
    cell = Cell(connections=CONNECTIONS, mailboxes=1)
    rows, there, first = [], 0, None
    with cells.started(server, cell, scratch) as rate:
        for step in MESSAGES_IN_ONE:
            messages = cells.messages_for(server, cell, rate, scratch)
            there = server.delivered()
            if (step - there) * 2 * (cell.size + 8192) > scratch.room():
                rows.append([f"{step:,}", "no room for so many"])
                continue
            fill(server, step - there)
            sample = cells.one_load(server, cell, min(messages, step))
            first = first or sample.rate
            rows.append(row(step, sample, first, server))
    return rows


def fill(server, messages):
    """Puts messages into the Maildir of user0, and waits until they are on the disk."""
    if messages > 0:
        say(f"filling a Maildir with {messages:,} messages")
        arguments = ["--durability", "none", "--messages", messages, "--threads", CONNECTIONS, "--mailboxes", 1]
        run_tool([server.tools.bare, "--root", server.maildirs, *arguments])
    os.sync()


def over_many(server, scratch):
    """Maildirs are made to each of the steps; the server delivers into all of them in turn."""
    rows, made, first = [], 0, None
    cell = Cell(connections=CONNECTIONS, mailboxes=MAILDIRS[0])
    with cells.started(server, cell, scratch) as rate:
        # Not more than were made in the first step, so that every step has as many files to write.
        messages = cells.messages_for(server, cell, rate, scratch)
        for step in MAILDIRS:
            free = os.statvfs(scratch.path)
            # A Maildir is four folders, each an inode and a block.
            if min(free.f_favail, free.f_bavail * free.f_frsize // 4096) < (step - made) * 4 + messages * 2:
                rows.append([f"{step:,}", "no room for so many; --image-gb makes more"])
                continue
            make(server, made, step)
            made = step
            sample = cells.one_load(server, Cell(connections=CONNECTIONS, mailboxes=step), messages)
            first = first or sample.rate
            rows.append(row(step, sample, first, server))
    return rows


def make(server, begin, end):
    """Makes the Maildirs from number `begin` on, and waits until they are on the disk."""
    say(f"making {end - begin:,} Maildirs")
    for number in range(begin, end):
        for folder in ("new", "cur", "tmp"):
            os.makedirs(os.path.join(server.maildirs, f"example.org/user{number}", folder), mode=0o700, exist_ok=True)
    os.sync()


def row(step, sample, first, server):
    waits = ["–" if wait is None else f"{wait:.1f}" for wait in (sample.p50_ms, sample.p99_ms)]
    ratio = f"{sample.rate / first:.2f}" if first else "–"
    resident = megabytes(memory(server.pid, "VmRSS")) if server.pid else "–"
    return [f"{step:,}", f"{sample.rate:,.0f}", ratio, f"{sample.cpu_ms:.3f}", *waits, resident, remark_of(sample)]
