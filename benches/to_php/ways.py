"""The ways in which mail gets to PHP: each is started on an empty folder, and loaded."""

import json
import os

from shared.running import DEADLINE, MAIASAURA, Running, figures_of, write
from side_by_side import processes

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
        return figures_of([self.tools.fastcgi, *arguments, *self.more, "--messages", messages, "--size", size])

    def stop(self):
        pass


class Bridge(Bare):
    """The same loop around the bridge of the server, which tells PHP all it knows."""

    name = "bridge alone"
    more = ["--bridge"]


class Server:
    """Something that takes mail by SMTP and hands it on."""

    def __init__(self, tools):
        self.tools, self.running, self.port, self.connections = tools, None, 0, 1

    def start(self, folder, fpm, connections):
        self.port, self.connections = processes.free_port(), connections
        self.running = Running(folder, "server", self.command(folder, fpm), lambda: processes.greets(self.port))

    def command(self, folder, fpm):
        raise NotImplementedError

    def load(self, messages, size):
        arguments = ["--address", f"127.0.0.1:{self.port}", "--connections", self.connections]
        return figures_of([self.tools.load, *arguments, "--messages", messages, "--size", size, "--deadline", DEADLINE])

    def stop(self):
        if self.running:
            self.running.stop()
            self.running = None


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
            durability=self.durability, to_php=to_php,
            save="HeadersParser|Hasher|Header|MailDir" + "|FastCGI" * self.feeds_php(),
        )  # fmt: skip
        if self.delivery == "queued":
            text += f"spool: {{at_once: {to_php}}}\n"
        return [self.tools.server, "serve", "-c", write(os.path.join(folder, "maiasaura.yaml"), text)]

    def feeds_php(self):
        return self.delivery != "no PHP"


class Guerrilla(Server):
    """go-guerrilla with its fastcgi-processor, as MailDiranasaurus has it: `BINARY serve -c FILE`."""

    name = "go-guerrilla"

    def __init__(self, tools, binary):
        super().__init__(tools)
        self.binary = binary

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
        return [self.binary, "serve", "-c", write(os.path.join(folder, "guerrilla.json"), text)]
