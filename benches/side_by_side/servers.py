"""The servers: how each is configured, started and stopped. All of them run on folders and ports of their own."""

import grp
import json
import os
import pwd
import re
import shutil
import subprocess
import time

from . import processes

PROCESS_LIMIT = 200
DEADLINE = 60


class CannotStart(Exception):
    """The server is missing, or ended, or does not answer."""


class Server:
    """One server under test. `maildirs` holds example.org/userN once it is started."""

    name = ""
    protocol = "smtp"
    # Packages that have to be there.
    packages = ()

    def __init__(self, tools):
        self.tools = tools
        # The server as our child, where it is one, and the root of its processes.
        self.child = self.pid = None
        self.folder = self.maildirs = None
        self.port = 0

    def start(self, folder, cell):
        """Starts on the empty `folder`; returns when the server greets."""
        if self.needs_root() and os.geteuid() != 0:
            raise CannotStart("needs root")
        self.folder, self.port = folder, processes.free_port()
        self.maildirs = os.path.join(folder, "mail")
        os.mkdir(self.maildirs)
        try:
            self.launch(cell)
            self.wait_for_greeting()
        except OSError as error:
            raise CannotStart(error) from error

    def needs_root(self):
        return False

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

    def load(self, cell, messages):
        """Sends `messages` messages as `cell` says; returns the figures of the generator."""
        if cell.generator == "smtp-source":
            return self.load_by_smtp_source(cell, messages)
        arguments = [
            self.tools.load, "--address", f"127.0.0.1:{self.port}", "--protocol", self.protocol,
            "--connections", cell.connections, "--messages", messages, "--size", cell.size,
            "--recipients", cell.recipients, "--mailboxes", self.tools.mailboxes,
            "--idle", cell.idle, "--deadline", DEADLINE,
        ]  # fmt: skip
        return run_tool(arguments + ["--reconnect"] * cell.reconnect)

    def load_by_smtp_source(self, cell, messages):
        """The same by the generator that comes with Postfix; it knows one recipient only and prints no figures."""
        arguments = ["smtp-source", "-d", "-s", cell.connections, "-m", messages, "-l", cell.size]
        arguments += ["-f", "sender@example.net", "-t", "user0@example.org"] + ["-L"] * (self.protocol == "lmtp")
        begin = time.monotonic()
        status, _, errors, _ = processes.run([*map(str, arguments), f"127.0.0.1:{self.port}"], DEADLINE + 30)
        seconds = time.monotonic() - begin
        refused = messages if status else 0
        return {"messages": messages - refused, "seconds": seconds, "errors": refused, "first_error": errors.strip()}

    def cpu_seconds(self):
        return processes.cpu_seconds(self.pid)

    def peak(self):
        return processes.memory(self.pid, "VmHWM")


def run_tool(arguments):
    """Runs `load` or `bare`; returns its line of JSON with the CPU seconds it took."""
    _, output, errors, cpu = processes.run([str(argument) for argument in arguments], DEADLINE * 2)
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
limits: {{connections: 10000, connections_per_ip: 10000, message_size: 50MB, messages_per_connection: 0}}
log: {{level: warn, file: stderr}}
"""
        self.spawn(self.tools.server, "serve", "-c", write(os.path.join(self.folder, "config.yaml"), configuration))


class Dovecot(Server):
    """Dovecot's LMTP server with its default durability: file, folder and index are synced."""

    name = "dovecot"
    protocol = "lmtp"
    packages = ("dovecot-lmtpd",)

    def needs_root(self):
        return True

    def launch(self, cell):
        shutil.chown(self.maildirs, "nobody")
        owner = pwd.getpwnam("nobody")
        processes_wanted = cell.connections + cell.idle + PROCESS_LIMIT
        configuration = f"""\
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = {self.log()}
protocols = lmtp
listen = 127.0.0.1
ssl = no
mail_location = maildir:{self.maildirs}/%d/%n
first_valid_uid = 1
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={self.maildirs}/%d/%n allow_all_users=yes
}}
default_process_limit = {processes_wanted}
default_client_limit = {processes_wanted * 4}
service lmtp {{
  process_limit = {processes_wanted}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@example.org
}}
"""
        self.spawn("/usr/sbin/dovecot", "-F", "-c", write(os.path.join(self.folder, "dovecot.conf"), configuration))


class Postfix(Server):
    """Postfix with its virtual(8) delivery agent. It answers when a message is in its queue; the figures count when
    all are in the Maildirs."""

    name = "postfix"
    packages = ("postfix",)

    def needs_root(self):
        return True

    def launch(self, cell):
        shutil.chown(self.maildirs, "nobody")
        for name in ("etc", "queue", "data"):
            os.mkdir(os.path.join(self.folder, name))
        shutil.chown(os.path.join(self.folder, "data"), "postfix")
        etc = os.path.join(self.folder, "etc")
        write(os.path.join(etc, "main.cf"), self.main_cf(cell))
        write(os.path.join(etc, "master.cf"), self.master_cf())
        boxes = (f"user{number}@example.org example.org/user{number}/\n" for number in range(self.tools.mailboxes))
        write(os.path.join(etc, "mailboxes"), "".join(boxes))
        status, output, errors, _ = processes.run(["/usr/sbin/postfix", "-c", etc, "start"], 30)
        if status:
            raise CannotStart(f"{errors or output} {self.complaint()}".strip())
        with open(os.path.join(self.folder, "queue/pid/master.pid"), encoding="ascii") as file:
            self.pid = int(file.read())

    def main_cf(self, cell):
        owner = pwd.getpwnam("nobody")
        limit = PROCESS_LIMIT if cell.idle == 0 else PROCESS_LIMIT + cell.connections + cell.idle
        return f"""\
compatibility_level = 3.6
queue_directory = {self.folder}/queue
data_directory = {self.folder}/data
maillog_file = {self.log()}
maillog_file_prefixes = {self.folder}
mail_owner = postfix
setgid_group = {grp.getgrnam("postdrop").gr_name}
myhostname = bench.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {self.maildirs}
virtual_mailbox_maps = texthash:{self.folder}/etc/mailboxes
virtual_uid_maps = static:{owner.pw_uid}
virtual_gid_maps = static:{owner.pw_gid}
virtual_mailbox_limit = 0
message_size_limit = 52428800
mailbox_size_limit = 0
default_process_limit = {limit}
smtpd_client_event_limit_exceptions = static:all
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_peername_lookup = no
smtpd_recipient_limit = 1000
disable_dns_lookups = yes
smtputf8_enable = no
"""

    def master_cf(self):
        """The services a virtual delivery needs, none in a chroot."""
        return f"""\
127.0.0.1:{self.port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Bare(Server):
    """No server: as many threads as there are connections write to the disk in the order of full durability."""

    name = "bare"

    def start(self, folder, cell):
        self.maildirs = folder
        self.cpu = 0.0

    def load(self, cell, messages):
        arguments = [self.tools.bare, "--root", self.maildirs, "--threads", cell.connections, "--size", cell.size]
        figures = run_tool(arguments + ["--messages", messages * cell.recipients, "--mailboxes", self.tools.mailboxes])
        figures["messages"] //= cell.recipients
        self.cpu += figures["cpu_seconds"]
        return figures

    def cpu_seconds(self):
        return self.cpu

    def peak(self):
        return 0


class Sink(Server):
    """Postfix's smtp-sink throws the mail away: what the generator and the protocol alone can do."""

    name = "smtp-sink"
    packages = ("postfix",)

    def launch(self, cell):
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.spawn("/usr/sbin/smtp-sink", *user, "-m", "10000", f"127.0.0.1:{self.port}", "4000")


class Other(Server):
    """A server that somebody else runs: NAME=127.0.0.1:PORT,MAILDIR_ROOT[,PID]."""

    def __init__(self, tools, text):
        super().__init__(tools)
        form = re.fullmatch(r"([^=]+)=(?:127\.0\.0\.1|localhost):(\d+),([^,]+)(?:,(\d+))?", text)
        if not form:
            raise SystemExit(f"--other {text}: not NAME=127.0.0.1:PORT,MAILDIR_ROOT[,PID]")
        self.name, self.root = form[1], form[3]
        self.port, self.theirs = int(form[2]), int(form[4]) if form[4] else None

    def start(self, folder, cell):
        self.maildirs = self.root
        if not processes.greets(self.port):
            raise CannotStart(f"no greeting on port {self.port}")

    def cpu_seconds(self):
        return processes.cpu_seconds(self.theirs) if self.theirs else 0.0

    def peak(self):
        return processes.memory(self.theirs, "VmHWM") if self.theirs else 0
