"""What must be installed: Debian packages, one of them only unpacked."""

import glob
import os
import re
import shutil
import subprocess

from .processes import say

INSTALL = """
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\\nexit 101\\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -q --no-install-recommends --no-remove "$@"
"""

# Where each package puts the file that is needed of it.
PLACES = {
    "postfix": "/usr/sbin/postfix",
    "dovecot-lmtpd": "/usr/lib/dovecot/lmtp",
    "e2fsprogs": "/sbin/mkfs.ext4",
    "python3-aiosmtpd": "/usr/lib/python3/dist-packages/aiosmtpd/smtp.py",
    "nodejs": "node",
    "npm": "npm",
    "openssl": "openssl",
}
SECONDS = 600


def is_there(package):
    place = PLACES[package]
    return os.path.exists(place) if os.path.isabs(place) else shutil.which(place) is not None


def install(packages):
    """Installs by apt what is missing, one by one, so that one that cannot be had does not keep the others away.
    Nothing that comes with it is started (policy-rc.d), nothing else is removed. Returns why, for each that is not
    there."""
    missing = [package for package in packages if not is_there(package)]
    if missing:
        run("apt-get", "update", "-q")
    failures = {}
    for package in missing:
        say(f"installing {package}")
        failure = run("sh", "-c", INSTALL, "install", package)
        if not is_there(package):
            failures[package] = f"{package} could not be installed: {failure or 'it is not where it should be'}"
    return failures


def unpack(package, folder):
    """Unpacks `package` into `folder` without installing it; only the libraries it needs are installed. Returns what
    went wrong, or an empty text."""
    # Without this, apt complains that its own user may not write there.
    options = ["-o", "APT::Sandbox::User=root"]
    failure = run("apt-get", *options, "download", package, where=folder, root=False)
    archives = glob.glob(os.path.join(folder, package + "_*.deb"))
    if not archives:
        return f"{package} could not be downloaded: {failure}"
    done = subprocess.run(["dpkg-deb", "-f", archives[0], "Depends"], capture_output=True, text=True, check=False)
    names = re.findall(r"[a-z0-9][a-z0-9.+-]+", re.sub(r"\(.*?\)", "", done.stdout))
    libraries = [name for name in names if name.startswith("lib")]
    return run("sh", "-c", INSTALL, "install", *libraries) or run("dpkg-deb", "-x", archives[0], folder)


def run(*command, where=None, root=True):
    """Runs a command; returns its complaint, or an empty text when it went well."""
    sudo = [] if os.geteuid() == 0 or not root else ["sudo", "-n"]
    try:
        done = subprocess.run(
            [*sudo, *command], capture_output=True, text=True, cwd=where, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return " ".join(done.stderr.split())[-300:] or f"status {done.returncode}" if done.returncode else ""
