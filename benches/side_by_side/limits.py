"""The limits: programs of ours that write to the disk without a protocol, and a server that writes nothing."""

import os

from .servers import DEADLINE, Server, run_tool


class Bare(Server):
    """No server: as many threads as there are connections write to the disk in the order of full durability."""

    name = "bare"
    protocol = ""
    is_program = True
    durability = "full"

    def start(self, folder, cell):
        self.maildirs = folder
        self.cpu = 0.0

    def load(self, cell, messages, deadline=DEADLINE):
        arguments = [
            *self.wrapper, self.tools.bare, "--root", self.maildirs, "--durability", self.durability,
            "--threads", cell.connections, "--size", cell.size, "--messages", messages,
            "--recipients", cell.recipients, "--mailboxes", cell.boxes(self.tools),
        ]  # fmt: skip
        figures = run_tool(arguments, deadline * 2)
        self.cpu += figures["cpu_seconds"]
        return figures

    def cpu_seconds(self):
        return self.cpu


class BareLog(Bare):
    """No server and no Maildirs: the threads append to one log, and one sync serves all who wait."""

    name = "bare log"
    durability = "journal"
    keeps_mail = False


class Sink(Server):
    """Postfix's smtp-sink throws the mail away: what the generator and the protocol alone can do."""

    name = "smtp-sink"
    keeps_mail = False
    packages = ("postfix",)

    def launch(self, cell):
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.spawn("/usr/sbin/smtp-sink", *user, "-m", "10000", f"127.0.0.1:{self.port}", "4000")
