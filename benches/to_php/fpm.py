"""PHP-FPM with four workers, on a folder of its own."""

import glob
import grp
import os
import pwd
import shutil
import signal
import subprocess
import time

from shared.running import Failed
from side_by_side import processes

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "take.php")
POOL = """[global]
error_log = {folder}/fpm.log
daemonize = no
[www]
listen = {folder}/php.sock
listen.mode = 0666
listen.backlog = 511
pm = static
pm.max_children = 4
php_admin_flag[display_errors] = off
"""


class Fpm:
    """Runs while the `with` does. `taken()` says how many messages the script has seen."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "php")
        self.socket, self.script = os.path.join(self.folder, "php.sock"), os.path.join(self.folder, "take.php")
        self.child = None

    def __enter__(self):
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o777)
        shutil.copy(SCRIPT, self.script)
        os.chmod(self.script, 0o644)
        configuration = os.path.join(self.folder, "fpm.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(POOL.format(folder=self.folder) + owner())
        self.child = subprocess.Popen(
            [binary(), "-F", "-n", "-y", configuration], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while not os.path.exists(self.socket):
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise Failed("PHP-FPM does not start")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        processes.stop(self.child.pid)
        self.child.wait(20)

    def pause(self, is_paused):
        """Stops PHP in the middle of what it does, or lets it go on."""
        os.killpg(self.child.pid, signal.SIGSTOP if is_paused else signal.SIGCONT)

    def taken(self):
        try:
            return os.path.getsize(os.path.join(self.folder, "taken"))
        except FileNotFoundError:
            return 0

    def wait_for(self, count, patience=60):
        """Until the script has seen so many; gives up when it sees no more for a while. Returns what it has seen."""
        seen, since = self.taken(), time.monotonic()
        while seen < count and time.monotonic() < since + patience:
            time.sleep(0.002)
            if (now := self.taken()) > seen:
                seen, since = now, time.monotonic()
        return seen


def binary():
    """`php-fpm8.2`, or whatever the version is."""
    for folder in ("/usr/sbin", "/usr/local/sbin", "/usr/bin"):
        if found := sorted(glob.glob(f"{folder}/php-fpm*")):
            return found[-1]
    raise SystemExit("php-fpm is missing: apt-get install php-fpm")


def owner():
    """Workers do not run as root."""
    if os.geteuid() != 0:
        return ""
    user = pwd.getpwnam("www-data")
    return f"user = {user.pw_name}\ngroup = {grp.getgrgid(user.pw_gid).gr_name}\n"
