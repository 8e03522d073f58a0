"""The whole run: options, build, servers, rounds, report."""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import types

from . import cells, machine, report, servers
from .processes import say
from .servers import CannotStart

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KINDS = ("maiasaura", "dovecot", "postfix", "bare", "sink")


def arguments():
    parser = argparse.ArgumentParser(prog="benches/run", description="Measures Maiasaura beside its peers.")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="only 5 kB over 1, 10 and 100 kept connections")
    extent.add_argument("--full", action="store_true", help="all sizes and connections; takes hours")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all cells and servers (default 3)")
    parser.add_argument("--only", default=",".join(KINDS), help="a list out of " + ",".join(KINDS))
    parser.add_argument("--mailboxes", type=int, default=10, help="Maildirs the mail is spread over (default 10)")
    parser.add_argument("--idle", type=int, default=5000, help="idle connections of the memory test; 0 for none")
    parser.add_argument("--other", action="append", default=[], metavar="NAME=127.0.0.1:PORT,MAILDIR_ROOT[,PID]",
                        help="measure a running SMTP server as well")  # fmt: skip
    parser.add_argument("--server-binary", help="the maiasaura to measure instead of the one built here")
    parser.add_argument("--scratch", default="/var/tmp", help="where temporary folders go (default /var/tmp)")
    parser.add_argument("--image-gb", type=int, default=6, help="size of the loop-mounted file system, if one is needed")
    parser.add_argument("--report", metavar="FILE", help="write the report to FILE too")
    options = parser.parse_args()
    unknown = set(options.only.split(",")) - set(KINDS)
    if unknown:
        parser.error(f"--only does not know {', '.join(sorted(unknown))}")
    if options.mailboxes < 10:
        parser.error("--mailboxes is at least 10: a cell has 10 recipients for each message")
    return options


def build(server_binary):
    """Builds everything for release. Returns the paths of load, bare and the server; the latter may not be there."""
    server = [] if server_binary else ["--bin", "maiasaura"]
    programs = {}
    for targets in (["--bench", "load", "--bench", "bare"], server):
        if not targets:
            continue
        say(f"building {' '.join(targets[1::2])}")
        command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics", *targets]
        done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
        for message in map(json.loads, done.stdout.splitlines()):
            if message.get("executable"):
                programs[message["target"]["name"]] = message["executable"]
    missing = {"load", "bare"} - programs.keys()
    if missing:
        raise SystemExit(f"{' and '.join(sorted(missing))} did not build")
    default = os.path.join(PROJECT, "target/release/maiasaura")
    programs["server"] = os.path.abspath(server_binary) if server_binary else programs.pop("maiasaura", default)
    return programs


def subjects(options, tools):
    """The servers to measure, in the order of the columns."""
    make = {
        "maiasaura": [lambda level=level: servers.Maiasaura(tools, level) for level in ("full", "journal", "file", "none")],
        "dovecot": [lambda: servers.Dovecot(tools)],
        "postfix": [lambda: servers.Postfix(tools)],
        "bare": [lambda: servers.Bare(tools)],
        "sink": [lambda: servers.Sink(tools)],
    }
    chosen = [constructor() for kind in KINDS if kind in options.only.split(",") for constructor in make[kind]]
    return chosen + [servers.Other(tools, text) for text in options.other]


def measure_all(options, subjects_, scratch, results, failed):
    """Rounds over all cells and servers, interleaved so that a bad minute of the machine hits all alike."""
    for number in range(1, options.rounds + 1):
        for cell in results.cells:
            for server in [server for server in subjects_ if server.name not in failed]:
                if cell.generator == "smtp-source" and server.name == "bare":
                    continue
                try:
                    sample = cells.measure(server, cell, scratch)
                except CannotStart as error:
                    failed[server.name] = str(error)
                    say(f"{server.name} COULD NOT BE STARTED: {error}")
                    continue
                results.add(cell, server.name, sample)
                say(f"round {number}: {cell.title()}: {server.name}: {sample.rate:,.0f}/s {sample.remark}")


def memory_test(options, subjects_, scratch, failed):
    """The idle connections, held against Maiasaura; None when it is not among the servers."""
    for server in subjects_:
        if server.name == "maiasaura full" and server.name not in failed and options.idle:
            say(f"holding {options.idle} idle connections")
            try:
                return options.idle, *cells.hold_idle(server, options.idle, scratch)
            except CannotStart as error:
                failed["maiasaura full, idle connections"] = str(error)
    return None


def interrupted(_number, _frame):
    raise KeyboardInterrupt


def be_deaf():
    """Nothing may interrupt the tidying up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def main():
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    tools = types.SimpleNamespace(mailboxes=options.mailboxes, **build(options.server_binary))
    chosen = subjects(options, tools)
    machine.install(sorted({package for server in chosen for package in server.packages} | {"e2fsprogs"}))
    cells.raise_file_limit()
    rows = cells.QUICK if options.quick else cells.FULL if options.full else cells.USUAL
    results, failed = report.Results(rows, [server.name for server in chosen]), {}
    with contextlib.ExitStack() as stack:
        scratch = machine.Scratch(options.scratch, options.image_gb)
        stack.callback(scratch.close)
        stack.callback(be_deaf)
        facts = machine.describe(scratch)
        facts.append(f"{options.rounds} rounds, medians; {options.mailboxes} mailboxes")
        say("\n".join(facts))
        measure_all(options, chosen, scratch, results, failed)
        idle = memory_test(options, chosen, scratch, failed)
    results.troubles += [f"{name} could not be started: {reason}" for name, reason in failed.items()]
    text = report.markdown(results, facts, idle)
    print(text)
    if options.report:
        servers.write(options.report, text)
    return 1 if failed or results.lost else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; everything is cleaned up")
