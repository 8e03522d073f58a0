"""Programs that run while something is measured, and what those say that measure."""

import json
import os
import subprocess
import time

from side_by_side import processes

DEADLINE = 120
MAIASAURA = """
hostname: mx.example.org
listeners: [{{address: "127.0.0.1:{port}"}}]
recipients: {{hosts: [example.org]}}
maildir: {{path: "{folder}/mail/{{host}}/{{user}}", durability: {durability}}}
limits: {{connections_per_ip: 10000}}
log: {{level: warn}}
save: {save}
"""


class Failed(Exception):
    """A measurement has come to nothing, and why."""


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
                self.stop()
                with open(self.said, encoding="utf-8", errors="replace") as file:
                    raise Failed(" / ".join(file.read().strip().split("\n")[-3:]) or "it says nothing")
            time.sleep(0.02)

    def stop(self):
        processes.stop(self.child.pid)
        self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def figures_of(arguments):
    """Runs a measuring program; returns its figures."""
    status, output, errors, _ = processes.run(list(map(str, arguments)), DEADLINE * 2)
    try:
        return json.loads(output)
    except ValueError:
        raise Failed(errors.strip() or f"{arguments[0]} ends with {status}") from None


def rate_of(figures):
    """Messages per second of those that were sent; refusals are an error."""
    if figures["errors"]:
        raise Failed(f"{figures['errors']} refused: {figures['first_error']}")
    return figures["messages"] / figures["seconds"]


def load(tools, port, connections, messages, size):
    """Messages per second into a hundred mailboxes."""
    words = ["--address", f"127.0.0.1:{port}", "--connections", connections, "--messages", messages, "--size", size,
             "--mailboxes", 100, "--senders", 1000003, "--deadline", DEADLINE]  # fmt: skip
    return rate_of(figures_of([tools.load, *words]))


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path
