"""The machine: what it is, and a file system worth measuring on."""

import contextlib
import datetime
import os
import shutil
import subprocess
import tempfile
import time

from .processes import say


def describe(scratch):
    """Lines that say on what was measured."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    kernel = os.uname()
    return [
        f"Date: {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, load average {os.getloadavg()[0]:.2f}",
        f"Machine: {os.cpu_count()} × {models[0] if models else kernel.machine}, {memory:.0f} GB",
        f"Kernel: {kernel.sysname} {kernel.release}",
        f"File system: {scratch.description}",
    ]


def mount_of(path):
    """The mount that holds `path`: type, source and options, and whether it keeps a journal (or a log as good)."""
    device = os.stat(path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = [line.split() for line in file]
    inside = [mount for mount in mounts if os.path.commonpath([mount[4], os.path.realpath(path)]) == mount[4]]
    mount = max(inside, key=lambda fields: len(fields[4]))
    kind, source, options = mount[mount.index("-") + 1 :][:3]
    journalled = kind in ("xfs", "btrfs")
    if kind == "ext4":
        name = os.path.basename(os.path.realpath(f"/sys/dev/block/{number}"))
        with contextlib.suppress(OSError), open(f"/proc/fs/ext4/{name}/options", encoding="utf-8") as file:
            # The kernel names the journalling mode only where there is a journal.
            journalled = any(line.startswith("data=") for line in file)
    return f"{kind} on {source} ({mount[5]}; {options})", journalled


class Scratch:
    """A folder on a file system with a journal: in place where there is one, else on a loop device.

    Trees are not deleted after each measurement, because deleting many files makes the next measurement slower;
    they are deleted together when room gets scarce, and then the disk is given time to calm down.
    """

    def __init__(self, folder, gigabytes):
        self.undo = contextlib.ExitStack()
        self.count = 0
        try:
            self.home = tempfile.mkdtemp(prefix="side-by-side.", dir=folder)
            self.undo.callback(shutil.rmtree, self.home, ignore_errors=True)
            os.chmod(self.home, 0o755)
            self.path = self.home
            self.description, journalled = mount_of(self.home)
            if not journalled:
                self.use_loop(gigabytes)
        except BaseException:
            self.undo.close()
            raise

    def use_loop(self, gigabytes):
        """Mounts an ext4 of its own; measures in place, and says so, where that is not possible."""
        try:
            if os.geteuid() != 0:
                raise PermissionError("a loop device needs root")
            self.mount_loop(gigabytes)
            self.description = mount_of(self.path)[0] + f", a pre-written file on {self.description}, direct I/O"
        except (OSError, subprocess.CalledProcessError) as error:
            self.path = self.home
            self.description += f"; NO JOURNAL: figures are not comparable (no loop device: {error})"

    def mount_loop(self, gigabytes):
        """Makes the file system: defaults, only nothing put off to later (lazy_*) and the file not thinned out again."""
        image = os.path.join(self.home, "image")
        say(f"writing {gigabytes} GB for an ext4 with a journal")
        with open(image, "wb") as file:
            for _ in range(gigabytes * 250):
                file.write(bytes(4_000_000))
            os.fsync(file.fileno())
        options = "nodiscard,lazy_itable_init=0,lazy_journal_init=0"
        command("mkfs.ext4", "-q", "-F", "-E", options, image)
        device = command("losetup", "--find", "--show", "--direct-io=on", image)
        self.undo.callback(insist, "losetup", "--detach", device)
        self.path = os.path.join(self.home, "mount")
        os.mkdir(self.path)
        command("mount", "-t", "ext4", device, self.path)
        self.undo.callback(insist, "umount", self.path)

    def fresh(self):
        """A new empty folder, of everybody."""
        self.recycle()
        self.count += 1
        path = os.path.join(self.path, f"run{self.count}")
        os.mkdir(path)
        os.chmod(path, 0o755)
        return path

    def room(self):
        """The octets that are free."""
        free = os.statvfs(self.path)
        return free.f_bavail * free.f_frsize

    def recycle(self):
        """Deletes the trees of earlier measurements when less than half of the octets or inodes of an own file system
        is free, or less than 4 GB of one that others use too."""
        free = os.statvfs(self.path)
        inodes = free.f_favail / free.f_files if free.f_files else 1
        if self.path != self.home:
            scarce = free.f_bavail / free.f_blocks < 0.5 or inodes < 0.5
        else:
            scarce = self.room() < 4_000_000_000
        if scarce:
            for name in os.listdir(self.path):
                if name.startswith("run"):
                    shutil.rmtree(os.path.join(self.path, name))
            os.sync()
            time.sleep(3)

    def close(self):
        """Unmounts and removes everything."""
        self.undo.close()


def command(*arguments):
    """Runs a command that must succeed; returns its output."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(
        arguments, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    return done.stdout.strip()


def insist(*arguments):
    """Runs a command of the tidying up: tries for a while, since a killed process may still wait for its last sync,
    then says what is left to do by hand."""
    for _ in range(40):
        try:
            return command(*arguments)
        except subprocess.CalledProcessError:
            time.sleep(0.5)
    say(f"NOT CLEANED UP, please run: {' '.join(arguments)}")
    return None
