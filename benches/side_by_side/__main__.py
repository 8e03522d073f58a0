"""The whole run: build, servers, rounds, report."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import types

from . import cells, extras, flat, limits, machine, more_peers, packages, peers, picture, report, servers, syncs
from .options import arguments
from .processes import say
from .servers import CannotStart

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEVELS = ("full", "journal", "file", "none")


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
        "maiasaura": [lambda level=level: servers.Maiasaura(tools, level) for level in LEVELS],
        "dovecot": [lambda: peers.Dovecot(tools)],
        "postfix": [lambda: peers.Postfix(tools)],
        "exim": [lambda: more_peers.Exim(tools)],
        "aiosmtpd": [lambda: more_peers.Aiosmtpd(tools)],
        "node": [lambda: more_peers.NodeServer(tools)],
        "bare": [lambda: limits.Bare(tools), lambda: limits.BareLog(tools)],
        "sink": [lambda: limits.Sink(tools)],
    }
    chosen = [constructor() for kind in options.only for constructor in make[kind]]
    return chosen + [servers.Other(tools, text) for text in options.other]


def prepare(subjects_, scratch, failed):
    """Has every server fetch what it needs; who cannot is left out, with the reason."""
    wanted = sorted({package for server in subjects_ for package in server.packages} | {"e2fsprogs"})
    missing = packages.install(wanted)
    for number, server in enumerate(subjects_):
        reasons = [missing[package] for package in server.packages if package in missing]
        folder = os.path.join(scratch.home, f"peer{number}")
        os.mkdir(folder)
        try:
            if reasons:
                raise CannotStart("; ".join(reasons))
            server.prepare(folder)
        except (OSError, CannotStart) as error:
            give_up(server, error, failed)


def give_up(server, error, failed):
    failed[server.name] = str(error)
    say(f"{server.name} CANNOT BE HAD: {error}")


def measure_all(options, subjects_, scratch, results):
    """Rounds over all cells and servers, interleaved so that a bad minute of the machine hits all alike."""
    for number in range(1, options.rounds + 1):
        for cell in results.cells:
            for server in subjects_:
                if server.name in results.failed or not cell.wants(server):
                    continue
                try:
                    sample = cells.measure(server, cell, scratch)
                except CannotStart as error:
                    give_up(server, error, results.failed)
                    continue
                results.add(cell, server.name, sample)
                say(f"round {number}: {cell.title()}: {server.name}: {sample.rate:,.0f}/s {sample.remark}")


def count_syncs(subjects_, scratch, results):
    """Apart from the timed runs, because counting disturbs."""
    for server in subjects_:
        if server.name in results.failed or server.name == "smtp-sink":
            continue
        try:
            each, results.counted_by = syncs.per_message(server, cells.GOAL, scratch)
            results.syncs[server.name] = each
            say(f"syncs per message: {server.name}: {each:.2f}")
        except (OSError, CannotStart) as error:
            results.syncs[server.name] = "–"
            results.troubles.append(f"{server.name}, syncs per message: {error}")
            say(results.troubles[-1])


def more_tables(options):
    """The tables beside the rows, in order."""
    make = {
        "idle": lambda: [extras.idle(options.idle)],
        "visible": lambda: [extras.visible()],
        "big": lambda: [extras.big()],
        "long": lambda: [extras.long(options.long)],
        "flat": flat.tables,
    }
    return [table for part in options.parts if part in make for table in make[part]()]


def interrupted(_number, _frame):
    raise KeyboardInterrupt


def be_deaf():
    """Nothing may interrupt the tidying up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def write_out(options, results, facts, tables):
    text = report.markdown(results, facts, tables)
    print(text)
    if options.report:
        servers.write(options.report, text)
    if options.svg:
        servers.write(options.svg, picture.svg(report.panels(results), facts))


def main():
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    tools = types.SimpleNamespace(
        mailboxes=options.mailboxes, seconds=options.seconds, certificate=None, **build(options.server_binary)
    )
    chosen = subjects(options, tools)
    cells.raise_file_limit()
    rows = cells.QUICK if options.quick else cells.FULL if options.full else cells.USUAL
    results = report.Results(rows if "rows" in options.parts else [], [server.name for server in chosen])
    results.others = [server.name for server in chosen if isinstance(server, servers.Other)]
    tables = more_tables(options)
    with contextlib.ExitStack() as stack:
        scratch = machine.Scratch(options.scratch, options.image_gb)
        stack.callback(scratch.close)
        stack.callback(be_deaf)
        prepare(chosen, scratch, results.failed)
        facts = machine.describe(scratch)
        facts.append(f"{options.rounds} rounds, medians; {options.mailboxes} mailboxes; loads of {options.seconds:g} s")
        say("\n".join(facts))
        measure_all(options, chosen, scratch, results)
        if "syncs" in options.parts:
            count_syncs(chosen, scratch, results)
        for table in tables:
            table.fill(chosen, results.failed, scratch)
    write_out(options, results, facts, tables)
    ours = [name for name in results.failed if name.startswith("maiasaura")]
    return 1 if ours or results.lost else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; everything is cleaned up")
