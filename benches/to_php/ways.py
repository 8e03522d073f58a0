"""The ways in which mail gets to PHP: each is started on an empty folder, and loaded."""

import json
import os
import subprocess
import time

from side_by_side import processes

from .fpm import CannotStart

DEADLINE = 120
MAIASAURA = """
hostname: mx.example.org
listeners: [{{address: "127.0.0.1:{port}"}}]
recipients: {{hosts: [example.org]}}
maildir: {{path: "{folder}/mail/{{host}}/{{user}}", durability: {durability}}}
limits: {{connections_per_ip: 10000}}
log: {{level: warn}}
save: HeadersParser|Hasher|Header|MailDir{php}
"""
PHP = """fastcgi: {{address: "unix:{socket}", script: {script}, delivery: {delivery}, connections: {to_php}}}
"""


class Bare:
    """No mail: a loop around the FastCGI client."""

    name = "bare client"
    more = []

    def __init__(self, tools):
        self.tools = tools

    def start(self, folder, fpm, connections):
        self.fpm, self.connections = fpm, connections

    def load(self, messages, size):
        arguments = ["--socket", self.fpm.socket, "--script", self.fpm.script, "--connections", self.connections]
        return run([self.tools.fastcgi, *arguments, *self.more, "--messages", messages, "--size", size])

    def stop(self):
        pass


class Bridge(Bare):
    """The same loop around the bridge of the server, which tells PHP all it knows."""

    name = "bridge alone"
    more = ["--bridge"]


class Server:
    """Something that takes mail by SMTP and hands it on."""

    def __init__(self, tools):
        self.tools, self.child, self.port, self.connections = tools, None, 0, 1

    def start(self, folder, fpm, connections):
        self.port, self.connections = processes.free_port(), connections
        log = os.path.join(folder, "log")
        with open(log, "ab") as file:
            self.child = subprocess.Popen(
                self.command(folder, fpm), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                cwd=folder, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 20
        while not processes.greets(self.port):
            if self.child.poll() is not None or time.monotonic() > deadline:
                with open(log, encoding="utf-8", errors="replace") as file:
                    raise CannotStart(" / ".join(file.read().strip().split("\n")[-3:]) or "it says nothing")
            time.sleep(0.02)

    def command(self, folder, fpm):
        raise NotImplementedError

    def load(self, messages, size):
        arguments = ["--address", f"127.0.0.1:{self.port}", "--connections", self.connections]
        return run([self.tools.load, *arguments, "--messages", messages, "--size", size, "--deadline", DEADLINE])

    def stop(self):
        if self.child:
            processes.stop(self.child.pid)
            self.child.wait(20)
            self.child = None


class Maiasaura(Server):
    """The server, and how PHP gets the mail: inline, queued, or not at all (`no PHP`)."""

    def __init__(self, tools, delivery, durability, to_php=None):
        super().__init__(tools)
        self.delivery, self.durability, self.to_php = delivery, durability, to_php
        self.name = f"{delivery} {durability}"

    def command(self, folder, fpm):
        text = MAIASAURA + PHP * self.feeds_php()
        to_php = self.to_php or self.connections
        text = text.format(
            folder=folder, port=self.port, socket=fpm.socket, script=fpm.script, delivery=self.delivery,
            durability=self.durability, to_php=to_php, php="|FastCGI" * self.feeds_php(),
        )  # fmt: skip
        if self.delivery == "queued":
            text += f"spool: {{at_once: {to_php}}}\n"
        return [self.tools.server, "serve", "-c", write(os.path.join(folder, "maiasaura.yaml"), text)]

    def feeds_php(self):
        return self.delivery != "no PHP"


class Guerrilla(Server):
    """go-guerrilla with its fastcgi-processor, as MailDiranasaurus has it: `BINARY serve -c FILE`."""

    name = "go-guerrilla"

    def command(self, folder, fpm):
        backend = {
            "save_process": "HeadersParser|Hasher|Header|FastCGI",
            "save_workers_size": self.connections,
            "primary_mail_host": "mx.example.org",
            "fcgi_script_filename_save": fpm.script,
            "fcgi_script_filename_validate": fpm.script,
            "fcgi_connection_type": "unix",
            "fcgi_connection_address": fpm.socket,
        }
        server = {
            "is_enabled": True, "host_name": "mx.example.org", "max_size": 25_000_000, "timeout": 180,
            "listen_interface": f"127.0.0.1:{self.port}", "max_clients": 1000, "log_file": "stderr",
        }  # fmt: skip
        configuration = {
            "log_file": "stderr", "log_level": "error", "pid_file": os.path.join(folder, "pid"),
            "allowed_hosts": ["example.org"], "backend_config": backend, "servers": [server],
        }  # fmt: skip
        text = json.dumps(configuration)
        return [self.tools.guerrilla, "serve", "-c", write(os.path.join(folder, "guerrilla.json"), text)]


def run(arguments):
    """Runs a measuring program; returns its figures."""
    status, output, errors, _ = processes.run(list(map(str, arguments)), DEADLINE * 2)
    try:
        return json.loads(output)
    except ValueError:
        raise CannotStart(errors.strip() or f"status {status}") from None


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path
