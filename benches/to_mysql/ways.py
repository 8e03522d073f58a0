"""A MariaDB in a folder, and the ways in which rows and mail get there."""

import collections
import os
import shutil
import subprocess
import time

from shared.running import MAIASAURA, Failed, Running, figures_of, load, write
from side_by_side import processes

WARM_UP = 200
Way = collections.namedtuple("Way", "name save durability delivery")
CHAIN = "HeadersParser|Hasher|Header|MailDir"
RECEIVING = [
    Way("Maildir none", CHAIN, "none", None),
    Way("Maildir full", CHAIN, "full", None),
    Way("MySQL none inline", CHAIN + "|MySQL", "none", "inline"),
    Way("MySQL full inline", CHAIN + "|MySQL", "full", "inline"),
    Way("MySQL full queued", CHAIN + "|MySQL", "full", "queued"),
]
# A row after another as go-guerrilla's processor has it with one worker, and as the server brings them.
ROWS = [("one INSERT each, 1 worker", ["--single"])] + [
    (f"in company, {threads} at once", ["--threads", str(threads)]) for threads in (1, 10, 100)
]

YAML = MAIASAURA + """
validate: []
mysql: {{address: "unix:{folder}/s", user: root, delivery: {delivery}}}
"""


def mariadb(folder):
    """With its own defaults: each commit is synced."""
    if not shutil.which("mariadbd"):
        raise Failed("mariadbd is missing; install it with: apt-get install mariadb-server")
    as_root = ["--user=root"] if os.getuid() == 0 else []
    subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--skip-test-db",
                    "--auth-root-authentication-method=normal", *as_root],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    words = ["mariadbd", "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/s", "--skip-networking",
             "--max-connections=200", *as_root]  # fmt: skip
    return Running(folder, "mariadb", words, lambda: ask(folder, "SELECT 1") == "1")


def ask(folder, statement, database="mysql"):
    """What its own client says; None while it is not there."""
    words = ["mariadb", "--no-defaults", "-N", "-B", "-u", "root", "-S", f"{folder}/s", "-e", statement, database]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def make_table(folder, tools, path):
    ask(folder, "DROP DATABASE IF EXISTS mail; CREATE DATABASE mail")
    subprocess.run([tools.server, "-c", path, "schema", "mysql", "--apply"], check=True, stdout=subprocess.DEVNULL)


def configure(folder, way):
    port = processes.free_port()
    text = YAML.format(port=port, folder=folder, durability=way.durability, save=way.save,
                       delivery=way.delivery or "inline")  # fmt: skip
    path = write(os.path.join(folder, "m.yaml"), text)
    return path, port


def measure_rows(folder, tools, words, options):
    """Rows per second, in a new table."""
    path, _ = configure(folder, RECEIVING[2])
    make_table(folder, tools, path)
    figures = figures_of([tools.mysql, "--socket", f"{folder}/s", "--rows", options.messages, *words])
    if figures["errors"]:
        raise Failed(figures["first_error"])
    count = ask(folder, "SELECT COUNT(*) FROM new_mail", "mail")
    if count != str(options.messages):
        raise Failed(f"{count} of {options.messages} rows are there")
    return figures["messages_per_second"]


def measure_receiving(folder, tools, way, connections, options):
    """Messages received per second; all their rows are there in the end."""
    path, port = configure(folder, way)
    shutil.rmtree(f"{folder}/mail", ignore_errors=True)
    make_table(folder, tools, path)
    with Running(folder, "maiasaura", [tools.server, "-c", path], lambda: processes.greets(port)):
        load(tools, port, connections, WARM_UP, options.size)
        rate = load(tools, port, connections, options.messages, options.size)
        # Those of the warm-up come again, with the same keys.
        wanted = str(max(WARM_UP, options.messages))
        deadline = time.monotonic() + 120
        while way.delivery and ask(folder, "SELECT COUNT(*) FROM new_mail", "mail") != wanted:
            if way.delivery == "inline" or time.monotonic() > deadline:
                raise Failed(f"not all of {wanted} rows are there")
            time.sleep(0.1)
        return rate
