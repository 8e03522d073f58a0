"""What is measured: cells, and how one measurement of one server goes."""

import contextlib
import dataclasses
import resource
import subprocess
import time

from .servers import DEADLINE

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
    # MAIL, RCPT and DATA in one write.
    pipelining: bool = False
    # Maildirs the mail is spread over; 0 is what the options say.
    mailboxes: int = 0
    # The names of the servers that are measured; empty is all of them.
    names: tuple = ()
    # Encrypted after STARTTLS, and with sessions that are resumed.
    tls: bool = False
    resume: bool = False

    def boxes(self, tools):
        """The Maildirs the mail is spread over."""
        return self.mailboxes or max(tools.mailboxes, self.recipients)

    def wants(self, server):
        """Whether `server` is measured in this cell; smtp-source cannot drive a loop without a protocol."""
        drives = self.generator == "load" or server.protocol
        return bool(drives) and (not self.names or server.name in self.names)

    def title(self):
        size = f"{self.size // 1_000_000} MB" if self.size >= 1_000_000 else f"{self.size // 1_000} kB"
        parts = [size, f"{self.connections} {'new' if self.reconnect else 'kept'}"]
        parts += [f"{self.recipients} recipients each"] * (self.recipients > 1)
        parts += [f"{self.mailboxes} mailbox{'es' * (self.mailboxes > 1)}"] * (self.mailboxes > 0)
        parts += ["pipelined"] * self.pipelining
        parts += ["TLS resumed" if self.resume else "TLS"] * self.tls
        parts += [f"{self.idle} idle"] * (self.idle > 0)
        parts += [f"by {self.generator}"] * (self.generator != "load")
        return ", ".join(parts)


GOAL = Cell(connections=100)
QUICK = [Cell(connections=1), Cell(connections=10), GOAL]
# Where a log does not care and Maildirs do.
LOGS = ("maiasaura full", "maiasaura journal", "bare", "bare log")
SPECIAL = [
    Cell(connections=100, pipelining=True),
    Cell(recipients=10),
    Cell(recipients=50),
    Cell(connections=1, recipients=100),
    Cell(connections=100, mailboxes=1, names=LOGS),
    Cell(connections=100, mailboxes=50, names=LOGS),
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
        with started(server, cell, scratch) as rate:
            return one_load(server, cell, messages_for(server, cell, rate, scratch))
    except Disappointed as error:
        return error.sample


class Disappointed(Exception):
    """The warm-up went wrong already; its sample says how."""

    def __init__(self, sample):
        super().__init__(sample.remark)
        self.sample = sample


@contextlib.contextmanager
def started(server, cell, scratch):
    """The server on new folders and warmed up; gives the messages a second it may reach, and stops it afterwards."""
    try:
        server.start(scratch.fresh(), cell)
        rate, warm_up = warm(server, cell)
        if warm_up.remark:
            raise Disappointed(warm_up)
        yield rate
    except subprocess.TimeoutExpired as error:
        raise Disappointed(Sample(remark=f"no end within {error.timeout} s")) from error
    finally:
        server.stop()


def messages_for(server, cell, rate, scratch, seconds=None):
    """As many messages as take about so many seconds, and find room."""
    wanted = rate * (seconds or server.tools.seconds)
    most = MOST_MESSAGES if seconds is None else wanted
    return int(max(cell.connections * 4, min(wanted, room_for(cell, scratch), most)))


def room_for(cell, scratch):
    """The messages that may be sent without filling the disk; each is a file of whole blocks, and may be queued too."""
    return scratch.room() / 4 / (cell.recipients * (cell.size + 8192))


def warm(server, cell):
    """Fills caches, makes the Maildirs, and finds out roughly how many messages a second are to be expected."""
    first = one_load(server, cell, max(50, cell.connections * 2, cell.boxes(server.tools) // cell.recipients))
    if first.remark or first.rate <= 0:
        return 0, first
    messages = min(first.rate * server.tools.seconds, MOST_MESSAGES) / 5
    second = one_load(server, cell, int(max(cell.connections * 2, messages)))
    return second.rate, second


def one_load(server, cell, messages, deadline=DEADLINE):
    """Sends the messages and waits for the files."""
    before, cpu = server.delivered() if server.keeps_mail else 0, server.cpu_seconds()
    figures = server.load(cell, messages, deadline)
    expected = figures["messages"] * cell.recipients
    files, waited = wait_for_files(server, before, expected)
    seconds = figures["seconds"] + waited
    sample = Sample(p50_ms=figures.get("p50_ms"), p99_ms=figures.get("p99_ms"), peak=server.peak())
    if figures["messages"] and seconds > 0:
        sample.rate = figures["messages"] / seconds
        sample.cpu_ms = (server.cpu_seconds() - cpu) * 1000 / figures["messages"]
    if figures["errors"]:
        sample.remark = f"{figures['errors']} of {messages} refused: {figures['first_error']}"
    if cell.tls and cell.reconnect:
        sample.remark += remark_on_resumption(cell, figures)
    if files != expected and server.keeps_mail:
        sample.lost = max(0, expected - files)
        sample.remark += f" {expected} files were to be in the Maildirs, {files} are"
    return sample


def remark_on_resumption(cell, figures):
    """Says when the handshakes were not of the kind that is measured. The first ones have nothing to resume."""
    resumed, wanted = figures.get("resumed", 0), (figures["messages"] - 2 * cell.connections) * 0.9
    if resumed < wanted if cell.resume else resumed > 0:
        return f" {resumed} of {figures['messages']} sessions were resumed"
    return ""


def wait_for_files(server, before, expected):
    """Waits until the expected files are there: a server with a queue is late. Returns the files and the seconds.

    Looking costs time that the server could use, so it is done seldom while much is missing.
    """
    if not server.keeps_mail:
        return expected, 0.0
    begin = progress = time.monotonic()
    files = server.delivered() - before
    waited = 0.0
    while files < expected and time.monotonic() - progress < DEADLINE / 2:
        time.sleep(min(0.5, max(0.01, (expected - files) / 10_000)))
        earlier, files = files, server.delivered() - before
        waited = time.monotonic() - begin
        if files > earlier:
            progress = time.monotonic()
    return files, waited


def raise_file_limit():
    """As many open files as the system grants; the servers inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
