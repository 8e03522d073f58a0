"""The ways in which mail is taken and delivered: each is started on an empty folder, and loaded."""

import collections
import json
import os
import shutil
import socket
import subprocess
import time

from side_by_side import processes

DEADLINE = 120
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

YAML = """
hostname: mx.example.org
listeners: [{{address: "127.0.0.1:{port}"}}]
recipients: {{hosts: [example.org]}}
maildir: {{path: "{folder}/mail/{{host}}/{{user}}", durability: {durability}}}
limits: {{connections_per_ip: 10000}}
log: {{level: warn}}
validate: []
save: {save}
redis: {{address: "unix:{folder}/s", durable: true}}
stream: {{partitions: {partitions}, at_once: {at_once}}}
"""


class CannotStart(Exception):
    """A program does not come up, and what it has said."""


class Away(Exception):
    """Something has not arrived."""


class Running:
    """A program that is stopped at the end of the block; what it says goes to a file."""

    def __init__(self, folder, name, command, is_ready):
        self.said = os.path.join(folder, name + ".out")
        with open(self.said, "ab") as file:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=folder, start_new_session=True
            )
        deadline = time.monotonic() + 20
        while not is_ready():
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                with open(self.said, encoding="utf-8", errors="replace") as file:
                    raise CannotStart(" / ".join(file.read().strip().split("\n")[-3:]) or "it says nothing")
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        processes.stop(self.child.pid)
        self.child.wait()


def redis(folder, fsync):
    if not shutil.which("redis-server"):
        raise CannotStart("redis-server is missing; install it with: apt-get install redis-server")
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
    path = os.path.join(folder, "m.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(YAML.format(port=port, folder=folder, durability=way.durability, save=way.save,
                               partitions=PARTITIONS, at_once=at_once))  # fmt: skip
    return path, port


def receiver(folder, tools, path, port):
    return Running(folder, "maiasaura", [tools.server, "-c", path], lambda: processes.greets(port))


def load(tools, port, connections, messages, size):
    """Messages per second; refusals are an error."""
    words = ["--address", f"127.0.0.1:{port}", "--connections", connections, "--messages", messages, "--size", size,
             "--mailboxes", 100, "--senders", 1000003, "--deadline", DEADLINE]  # fmt: skip
    code, output, errors, _ = processes.run([tools.load, *map(str, words)], 2 * DEADLINE)
    try:
        figures = json.loads(output)
    except ValueError:
        raise Away(f"load ends with {code}: {errors}") from None
    if figures["errors"]:
        raise Away(f"{figures['errors']} refused: {figures['first_error']}")
    return figures["messages"] / figures["seconds"]


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
            raise Away(f"{waiting(folder)} of {WARM_UP + options.messages} messages are in the streams")
        return rate


def measure_working(folder, tools, workers, at_once, options):
    """Messages that workers deliver per second, from full streams, until all are in Maildirs."""
    way = next(way for way in RECEIVING if way.name == "Stream")
    path, port = configure(folder, way, at_once)
    with redis(folder, way.fsync):
        with receiver(folder, tools, path, port):
            load(tools, port, 10, options.messages, options.size)
        all_of_it, begin = waiting(folder), time.monotonic()
        running = []
        try:
            for number in range(workers):
                running.append(Running(folder, f"work-{number}", [tools.server, "work", "-c", path], lambda: True))
            while waiting(folder):
                if any(one.child.poll() is not None for one in running) or time.monotonic() - begin > DEADLINE:
                    raise Away("workers do not come to an end")
                time.sleep(0.01)
            seconds = time.monotonic() - begin
            found = sum(len(files) for path, _, files in os.walk(f"{folder}/mail") if path.endswith("/new"))
            if found != all_of_it:
                raise Away(f"{found} of {all_of_it} messages are in Maildirs")
            return all_of_it / seconds
        finally:
            for worker in running:
                worker.__exit__()
