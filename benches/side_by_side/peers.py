"""Dovecot and Postfix, as Debian installs them, with configurations of their own."""

import grp
import os
import pwd
import shutil

from . import processes
from .servers import PROCESS_LIMIT, CannotStart, Server, write


class Dovecot(Server):
    """Dovecot's LMTP server with its default durability: file, folder and index are synced."""

    name = "dovecot"
    protocol = "lmtp"
    packages = ("dovecot-lmtpd",)
    needs_root = True

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
    needs_root = True

    def launch(self, cell):
        shutil.chown(self.maildirs, "nobody")
        for name in ("etc", "queue", "data"):
            os.mkdir(os.path.join(self.folder, name))
        shutil.chown(os.path.join(self.folder, "data"), "postfix")
        etc = os.path.join(self.folder, "etc")
        write(os.path.join(etc, "main.cf"), self.main_cf(cell))
        write(os.path.join(etc, "master.cf"), self.master_cf())
        count = cell.boxes(self.tools) + 1
        boxes = (f"user{number}@example.org example.org/user{number}/\n" for number in range(count))
        write(os.path.join(etc, "mailboxes"), "".join(boxes))
        status, output, errors, _ = processes.run(["/usr/sbin/postfix", "-c", etc, "start"], 30)
        if status:
            raise CannotStart(f"{errors or output} {self.complaint()}".strip())
        with open(os.path.join(self.folder, "queue/pid/master.pid"), encoding="ascii") as file:
            self.pid = int(file.read())

    def main_cf(self, cell):
        """Sessions of TLS are resumed by tickets, as Postfix has it without being told."""
        tls = ""
        if self.tools.certificate:
            tls = "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n".format(
                *self.tools.certificate
            )
        return self.plain_main_cf(cell) + tls

    def plain_main_cf(self, cell):
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
