"""The ways in which mail is taken and delivered: each is started on an empty folder, and loaded."""

import collections
import contextlib
import os
import shutil
import socket
import time

from shared.running import DEADLINE, MAIASAURA, Failed, Running, load, write
from side_by_side import processes

WARM_UP = 200
PARTITIONS = 16

Way = collections.namedtuple("Way", "name save durability fsync")
RECEIVING = [
    Way("Maildir none", "HeadersParser|Hasher|Header|MailDir", "none", None),
    Way("Maildir full", "HeadersParser|Hasher|Header|MailDir", "full", None),
    Way("Redis", "HeadersParser|Hasher|Header|Redis", "none", "no"),
    Way("Redis, appendfsync always", "HeadersParser|Hasher|Header|Redis", "none", "always"),
    Way("Stream", "HeadersParser|Hasher|Header|Stream", "none", "no"),
    Way("Stream, appendfsync always", "HeadersParser|Hasher|Header|Stream", "none", "always"),
]
# How many workers there are, and how many messages each delivers at once.
WORKERS = [(1, 1), (1, 2), (1, 16), (2, 16)]

YAML = MAIASAURA + """
validate: []
redis: {{address: "unix:{folder}/s", durable: true}}
stream: {{partitions: {partitions}, at_once: {at_once}}}
"""


def redis(folder, fsync):
    if not shutil.which("redis-server"):
        raise Failed("redis-server is missing; install it with: apt-get install redis-server")
    keeps = "yes" if fsync == "always" else "no"
    words = ["--port", "0", "--unixsocket", f"{folder}/s", "--dir", folder, "--save", "", "--appendonly", keeps,
             "--appendfsync", fsync]  # fmt: skip
    return Running(folder, "redis", ["redis-server", *words], lambda: ask(folder, "PING") == "+PONG")


def ask(folder, *words):
    """One command; the first line of its reply, or None."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(f"{folder}/s")
            connection.sendall((" ".join(words) + "\r\n").encode())
            return connection.makefile().readline().strip()
    except OSError:
        return None


def waiting(folder):
    """Entries in all streams."""
    lengths = [ask(folder, "XLEN", f"maiasaura:{{{partition}}}:mail") for partition in range(PARTITIONS)]
    return sum(int(length[1:]) for length in lengths)


def configure(folder, way, at_once=16):
    port = processes.free_port()
    text = YAML.format(port=port, folder=folder, durability=way.durability, save=way.save, partitions=PARTITIONS,
                       at_once=at_once)  # fmt: skip
    path = write(os.path.join(folder, "m.yaml"), text)
    return path, port


def receiver(folder, tools, path, port):
    return Running(folder, "maiasaura", [tools.server, "-c", path], lambda: processes.greets(port))


def measure_receiving(folder, tools, way, connections, options):
    """Messages received per second."""
    path, port = configure(folder, way)

    def both():
        with receiver(folder, tools, path, port):
            load(tools, port, connections, WARM_UP, options.size)
            return load(tools, port, connections, options.messages, options.size)

    if way.fsync is None:
        return both()
    with redis(folder, way.fsync):
        rate = both()
        if way.save.endswith("Stream") and waiting(folder) != WARM_UP + options.messages:
            raise Failed(f"{waiting(folder)} of {WARM_UP + options.messages} messages are in the streams")
        return rate


def measure_working(folder, tools, workers, at_once, options):
    """Messages that workers deliver per second, from full streams, until all are in Maildirs."""
    way = next(way for way in RECEIVING if way.name == "Stream")
    path, port = configure(folder, way, at_once)
    with redis(folder, way.fsync):
        with receiver(folder, tools, path, port):
            load(tools, port, 10, options.messages, options.size)
        all_of_it, begin = waiting(folder), time.monotonic()
        with contextlib.ExitStack() as stack:
            running = []
            for number in range(workers):
                worker = Running(folder, f"work-{number}", [tools.server, "work", "-c", path], lambda: True)
                running.append(stack.enter_context(worker))
            while waiting(folder):
                if any(one.child.poll() is not None for one in running) or time.monotonic() - begin > DEADLINE:
                    raise Failed("workers do not come to an end")
                time.sleep(0.01)
            seconds = time.monotonic() - begin
        found = sum(len(files) for path, _, files in os.walk(f"{folder}/mail") if path.endswith("/new"))
        if found != all_of_it:
            raise Failed(f"{found} of {all_of_it} messages are in Maildirs")
        return all_of_it / seconds
