"""Peers that are libraries or may not be installed beside the others: Exim, aiosmtpd, Node's smtp-server."""

import glob
import os
import pwd
import shutil
import signal
import subprocess

from . import packages, processes
from .servers import CannotStart, Server, write

HANDLERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "handlers")


class Exim(Server):
    """Exim with a spool of its own and appendfile into Maildirs. It answers when a message is in its spool; the figures
    count when all are in the Maildirs.

    Debian does not let it be installed beside Postfix, so its package is only unpacked. It wants a user that the
    package would have made: a mount namespace shows it one. A process namespace gives the deliveries a parent that
    waits for them, so that their CPU time counts and none survives.
    """

    name = "exim"
    needs_root = True
    PACKAGE = "exim4-daemon-light"
    USER = "Debian-exim"

    def prepare(self, folder):
        super().prepare(folder)
        self.program = shutil.which("exim4", path="/usr/sbin")
        if self.program is None:
            failure = packages.unpack(self.PACKAGE, folder)
            if failure:
                raise CannotStart(failure)
            self.program = os.path.join(folder, "usr/sbin/exim4")
        for name in ("passwd", "group"):
            shutil.copy(os.path.join("/etc", name), os.path.join(folder, name))
        nobody = pwd.getpwnam("nobody")
        append(os.path.join(folder, "passwd"), f"{self.USER}:x:{nobody.pw_uid}:{nobody.pw_gid}::/:/usr/sbin/nologin\n")
        append(os.path.join(folder, "group"), f"{self.USER}:x:{nobody.pw_gid}:\n")
        self.prepared = folder

    def launch(self, cell):
        for name in ("spool", "logs"):
            os.mkdir(os.path.join(self.folder, name))
            shutil.chown(os.path.join(self.folder, name), "nobody", pwd.getpwnam("nobody").pw_gid)
        shutil.chown(self.maildirs, "nobody")
        boxes = (f"user{number}: user{number}\n" for number in range(cell.boxes(self.tools) + 1))
        write(os.path.join(self.folder, "mailboxes"), "".join(boxes))
        configuration = write(os.path.join(self.folder, "exim.conf"), self.configuration())
        script = 'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && shift && exec "$@"'
        self.spawn(
            "unshare", "--mount", "--propagation", "private", "--pid", "--fork",
            "sh", "-c", script, "sh", self.prepared, self.program, "-bdf", "-q10s", "-C", configuration,
        )  # fmt: skip

    def stop(self):
        """Ends the process namespace at once, by its first process: the mail is counted, and unshare passes no signal
        on. It waits for that one, and ends by itself."""
        if self.pid is not None:
            for pid in processes.tree(self.pid).keys() - {self.pid}:
                processes.send(pid, signal.SIGKILL)
        super().stop()

    def log(self):
        main = os.path.join(self.folder, "logs/main")
        return main if os.path.exists(main) else super().log()

    def configuration(self):
        return f"""\
primary_hostname = bench.example.org
exim_user = {self.USER}
exim_group = {self.USER}
deliver_drop_privilege
spool_directory = {self.folder}/spool
split_spool_directory
log_file_path = {self.folder}/logs/%s
pid_file_path = {self.folder}/spool/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
disable_ipv6
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 0
smtp_connect_backlog = 4096
message_size_limit = 50M
rfc1413_query_timeout = 0s
host_lookup =
keep_environment =
acl_smtp_rcpt = accept
begin routers
mailboxes:
  driver = accept
  domains = example.org
  local_parts = lsearch;{self.folder}/mailboxes
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = {self.maildirs}/example.org/$local_part_data
  maildir_format
  create_directory
  mode = 0600
begin retry
* * F,1h,5s
"""


class Aiosmtpd(Server):
    """Python's aiosmtpd with a small handler of ours, which syncs file and folder before the reply."""

    name = "aiosmtpd"
    packages = ("python3-aiosmtpd",)

    def launch(self, cell):
        handler = os.path.join(HANDLERS, "aiosmtpd_maildir.py")
        # Debian's own Python knows Debian's packages; another one in the path does not.
        self.spawn("/usr/bin/python3", handler, str(self.port), self.maildirs)


class NodeServer(Server):
    """Node's smtp-server with a small handler of ours, which syncs file and folder before the reply."""

    name = "node smtp-server"
    packages = ("nodejs", "npm")

    def prepare(self, folder):
        super().prepare(folder)
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", folder, "smtp-server"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CannotStart(f"npm: {error}") from error
        if done.returncode or not glob.glob(os.path.join(folder, "node_modules/smtp-server/package.json")):
            raise CannotStart(f"npm install smtp-server: {' '.join(done.stderr.split())[-300:] or 'failed'}")
        self.modules = folder

    def launch(self, cell):
        handler = os.path.join(HANDLERS, "smtp_server_maildir.js")
        # libuv's four threads would all wait for the disk.
        self.spawn("env", "UV_THREADPOOL_SIZE=64", "node", handler, self.modules, str(self.port), self.maildirs)


def append(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)
