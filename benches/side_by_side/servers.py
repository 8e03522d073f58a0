"""What is common to all servers under test, Maiasaura, and servers that somebody else runs. Those that are started
here run on folders and ports of their own."""

import contextlib
import json
import os
import re
import subprocess
import time

from . import processes

PROCESS_LIMIT = 200
DEADLINE = 60
# What Maiasaura may use for messages on their way in: its default.
MEMORY_LIMIT = 256_000_000


class CannotStart(Exception):
    """The server is missing, or ended, or does not answer."""


class Server:
    """One server under test. `maildirs` holds example.org/userN once it is started."""

    name = ""
    protocol = "smtp"
    # Packages that have to be there.
    packages = ()
    needs_root = False
    # Whether each load is a program of its own, so that no server runs in between.
    is_program = False
    # Whether what it acknowledged lies in Maildirs afterwards.
    keeps_mail = True

    def __init__(self, tools):
        self.tools = tools
        # The server as our child, where it is one, and the root of its processes.
        self.child = self.pid = None
        self.folder = self.maildirs = None
        self.port = 0
        # A program that such a program is run under: it counts system calls.
        self.wrapper = []

    def prepare(self, folder):
        """Fetches into `folder` what the server needs beyond packages; CannotStart says why it cannot be had."""
        if self.needs_root and os.geteuid() != 0:
            raise CannotStart("needs root")

    def start(self, folder, cell):
        """Starts on the empty `folder`; returns when the server greets."""
        self.folder, self.port = folder, processes.free_port()
        self.maildirs = os.path.join(folder, "mail")
        os.mkdir(self.maildirs)
        try:
            self.launch(cell)
            self.wait_for_greeting()
        except OSError as error:
            raise CannotStart(error) from error

    def launch(self, cell):
        raise NotImplementedError

    def spawn(self, *arguments):
        """Runs the server as a child with its output in the log; away from the terminal, so that Ctrl-C is ours."""
        with open(self.log(), "ab") as log:
            self.child = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.pid = self.child.pid

    def log(self):
        return os.path.join(self.folder, "log")

    def complaint(self):
        """The end of the log, on one line."""
        try:
            with open(self.log(), encoding="utf-8", errors="replace") as file:
                return " / ".join(file.read().split("\n")[-6:]).strip(" /") or "it logged nothing"
        except OSError:
            return "it has no log"

    def wait_for_greeting(self, patience=20):
        deadline = time.monotonic() + patience
        while not processes.greets(self.port):
            if processes.stat(self.pid) is None:
                status = f" with status {self.child.poll()}" if self.child else ""
                raise CannotStart(f"ended{status} before it greeted anybody: {self.complaint()}")
            if time.monotonic() > deadline:
                raise CannotStart(f"no greeting within {patience} s: {self.complaint()}")
            time.sleep(0.05)

    def stop(self):
        """Stops what was started; may be called when nothing was."""
        if self.pid is not None:
            processes.stop(self.pid)
            if self.child:
                # Its threads may outlive their leader by a sync, with files open.
                self.child.wait(DEADLINE)
            self.pid = self.child = None

    def delivered(self):
        """Messages in all Maildirs: files in new/."""
        total = 0
        with contextlib.suppress(FileNotFoundError), os.scandir(os.path.join(self.maildirs, "example.org")) as boxes:
            for box in boxes:
                with contextlib.suppress(FileNotFoundError):
                    total += len(os.listdir(os.path.join(box.path, "new")))
        return total

    def load(self, cell, messages, deadline=DEADLINE):
        """Sends `messages` messages as `cell` says; returns the figures of the generator."""
        if cell.generator == "smtp-source":
            return self.load_by_smtp_source(cell, messages)
        arguments = [
            self.tools.load, "--address", f"127.0.0.1:{self.port}", "--protocol", self.protocol,
            "--connections", cell.connections, "--messages", messages, "--size", cell.size,
            "--recipients", cell.recipients, "--mailboxes", cell.boxes(self.tools),
            "--idle", cell.idle, "--deadline", deadline,
        ]  # fmt: skip
        arguments += ["--reconnect"] * cell.reconnect + ["--pipelining"] * cell.pipelining
        arguments += ["--tls", "starttls"] * cell.tls + ["--resume"] * cell.resume
        return run_tool(arguments, deadline * 2)

    def load_by_smtp_source(self, cell, messages):
        """The same by the generator that comes with Postfix; it knows one recipient only and prints no figures."""
        arguments = ["smtp-source", "-d", "-s", cell.connections, "-m", messages, "-l", cell.size]
        arguments += ["-f", "sender@example.net", "-t", "user0@example.org"] + ["-L"] * (self.protocol == "lmtp")
        begin = time.monotonic()
        status, _, errors, _ = processes.run([*map(str, arguments), f"127.0.0.1:{self.port}"], DEADLINE + 30)
        seconds = time.monotonic() - begin
        refused = messages if status else 0
        return {"messages": messages - refused, "seconds": seconds, "errors": refused, "first_error": errors.strip()}

    def root_pid(self):
        """The root of its processes; None when it is not known."""
        return self.pid

    def cpu_seconds(self):
        return processes.cpu_seconds(self.root_pid()) if self.root_pid() else 0.0

    def peak(self):
        return processes.memory(self.root_pid(), "VmHWM") if self.root_pid() else 0


def run_tool(arguments, timeout=DEADLINE * 2):
    """Runs `load` or `bare`; returns its line of JSON with the CPU seconds it took."""
    _, output, errors, cpu = processes.run([str(argument) for argument in arguments], timeout)
    if not output:
        return {"messages": 0, "seconds": 0.0, "errors": 1, "first_error": errors.strip(), "cpu_seconds": cpu}
    return {**json.loads(output), "cpu_seconds": cpu}


def write(path, text):
    """Writes a configuration file."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class Maiasaura(Server):
    """The one this is about, with one of its durability levels."""

    def __init__(self, tools, durability):
        super().__init__(tools)
        self.name, self.durability = f"maiasaura {durability}", durability

    def launch(self, cell):
        if not os.access(self.tools.server, os.X_OK):
            raise CannotStart(f"{self.tools.server} is not there; it did not build")
        configuration = f"""\
hostname: bench.example.org
listeners:
  - address: 127.0.0.1:{self.port}
recipients: {{hosts: [example.org], users: any}}
maildir: {{path: "{self.maildirs}/{{host}}/{{user}}", durability: {self.durability}}}
limits: {{connections: 10000, connections_per_ip: 10000, message_size: 50MB, messages_per_connection: 0,
         memory: {MEMORY_LIMIT // 1_000_000}MB}}
log: {{level: warn, file: stderr}}
"""
        if self.tools.certificate:
            configuration += "tls: {{certificate: {}, key: {}}}\n".format(*self.tools.certificate)
        self.spawn(self.tools.server, "serve", "-c", write(os.path.join(self.folder, "config.yaml"), configuration))


class Other(Server):
    """A server that somebody else runs: NAME=127.0.0.1:PORT,MAILDIR_ROOT[,PID]."""

    def __init__(self, tools, text):
        super().__init__(tools)
        form = re.fullmatch(r"([^=]+)=(?:127\.0\.0\.1|localhost):(\d+),([^,]+)(?:,(\d+))?", text)
        if not form:
            raise SystemExit(f"--other {text}: not NAME=127.0.0.1:PORT,MAILDIR_ROOT[,PID]")
        self.name, self.root = form[1], form[3]
        self.port, self.theirs = int(form[2]), int(form[4]) if form[4] else None

    def prepare(self, folder):
        if not os.path.isdir(self.root):
            raise CannotStart(f"there is no folder {self.root}")
        self.start(folder, None)

    def start(self, folder, cell):
        self.maildirs = self.root
        if not processes.greets(self.port):
            raise CannotStart(f"no greeting on port {self.port}")

    def root_pid(self):
        return self.theirs

    def delivered(self):
        """Files in every folder new/ below the root, however deep"""
        total = 0
        for folder, folders, _ in os.walk(self.root):
            folders[:] = [name for name in folders if name not in ("cur", "tmp")]
            if "new" in folders:
                folders.remove("new")
                total += len(os.listdir(os.path.join(folder, "new")))
        return total
