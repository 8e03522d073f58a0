"""The whole run: build, ways, rounds, report."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types

from side_by_side.processes import say

from . import receiving
from .fpm import CannotStart, Fpm
from .ways import Bare, Bridge, Guerrilla, Maiasaura

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WARM_UP = 20


def arguments():
    parser = argparse.ArgumentParser(prog="benches/php", description="Measures how fast mail gets to PHP.")
    parser.add_argument("--messages", type=int, default=2000, help="of each measurement (default 2000)")
    parser.add_argument("--size", type=int, default=5000, help="octets of each message (default 5000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over everything (default 3)")
    parser.add_argument("--connections", default="1,4,16", help="connections, of clients and to PHP (default 1,4,16)")
    parser.add_argument("--receiving", default="10,100", help="clients while the rate of receiving is measured (default 10,100)")
    parser.add_argument("--only-receiving", action="store_true", help="only what a queue costs those who send")
    parser.add_argument("--guerrilla", metavar="BINARY", help="a go-guerrilla that has the fastcgi-processor")
    parser.add_argument("--server-binary", help="the maiasaura to measure instead of the one built here")
    parser.add_argument("--scratch", default="/var/tmp", help="where temporary folders go (default /var/tmp)")
    parser.add_argument("--profile", default="release", help="how Cargo builds (default release)")
    options = parser.parse_args()
    options.connections = [int(number) for number in options.connections.split(",")]
    options.receiving = [int(number) for number in options.receiving.split(",")]
    if min(options.messages, options.size, options.rounds, *options.connections, *options.receiving) < 1:
        parser.error("every number is at least 1")
    return options


def build(options):
    """Builds the programs. Returns their paths."""
    say("building")
    command = ["cargo", "build", "--profile", options.profile, "--message-format=json-render-diagnostics",
               "--bin", "maiasaura", "--bench", "load", "--bench", "fastcgi"]  # fmt: skip
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    programs = {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}
    server = os.path.abspath(options.server_binary) if options.server_binary else programs["maiasaura"]
    return types.SimpleNamespace(
        load=programs["load"], fastcgi=programs["fastcgi"], server=server, guerrilla=options.guerrilla
    )


def ways(tools):
    """The columns, in order."""
    chosen = [Bare(tools), Bridge(tools)]
    chosen += [Maiasaura(tools, "no PHP", level) for level in ("full", "none")]
    chosen += [Maiasaura(tools, "inline", level) for level in ("full", "none")]
    chosen += [Maiasaura(tools, "queued", level) for level in ("full", "none")]
    return chosen + [Guerrilla(tools)] * bool(tools.guerrilla)


def measure(way, connections, options):
    """Messages per second until PHP has seen them all."""
    with tempfile.TemporaryDirectory(prefix="maiasaura-php-", dir=options.scratch) as folder:
        os.chmod(folder, 0o755)
        with Fpm(folder) as fpm:
            try:
                way.start(folder, fpm, connections)
                way.load(WARM_UP, options.size)
                if "no PHP" in way.name:
                    return rate_of(way.load(options.messages, options.size))
                fpm.wait_for(WARM_UP)
                begin = time.monotonic()
                figures = way.load(options.messages, options.size)
                seen = fpm.wait_for(WARM_UP + options.messages) - WARM_UP
                # A generator's start and end are not in its own time; only what comes after it has to be waited for.
                waited = time.monotonic() - begin if "queued" in way.name else figures["seconds"]
            finally:
                way.stop()
    rate_of(figures)
    if seen != options.messages:
        raise CannotStart(f"PHP has seen {seen} of {options.messages} messages")
    return options.messages / waited


def rate_of(figures):
    """Messages per second of those that were sent; refusals are an error."""
    if figures["errors"]:
        raise CannotStart(f"{figures['errors']} refused: {figures['first_error']}")
    return figures["messages"] / figures["seconds"]


def measure_all(options, chosen):
    """Rounds over all rows and ways, interleaved so that a bad minute of the machine hits all alike."""
    rates, failed = {}, {}
    for number in range(1, options.rounds + 1):
        for connections in options.connections:
            for way in chosen:
                if way.name in failed:
                    continue
                try:
                    rate = measure(way, connections, options)
                except (OSError, CannotStart) as error:
                    failed[way.name] = str(error)
                    say(f"{way.name} CANNOT BE HAD: {error}")
                    continue
                rates.setdefault((connections, way.name), []).append(rate)
                say(f"round {number}: {connections} connections: {way.name}: {rate:,.0f}/s")
    return rates, failed


def cell(rates):
    """The median, and between which rates it lies."""
    if not rates:
        return "–"
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})"


def of_both(rates, connections, durability):
    """Of each round: the rate inline, in per cent of that at which one receiver and one bare client, on the same
    processors and one after the other for each message, would get it there."""
    names = ["bare client", f"no PHP {durability}", f"inline {durability}"]
    rounds = zip(*(rates.get((connections, name), []) for name in names))
    return [100 * inline * (1 / bare + 1 / alone) for bare, alone, inline in rounds]


def report_shares(options, rates):
    print("\nPer cent: the bridge alone of the bare client; inline of the bare client and the same server without PHP, "
          "put together (1 / (1/bare + 1/no PHP))\n")  # fmt: skip
    print("| connections | bridge alone | inline full | inline none |\n|---|---:|---:|---:|")
    for connections in options.connections:
        pairs = zip(rates.get((connections, "bridge alone"), []), rates.get((connections, "bare client"), []))
        shares = [[100 * bridge / bare for bridge, bare in pairs]]
        shares += [of_both(rates, connections, level) for level in ("full", "none")]
        print(f"| {connections} |", " | ".join(map(cell, shares)), "|")


def report(options, chosen, rates, failed):
    names = [way.name for way in chosen]
    print(f"Messages per second until PHP has them, {options.messages} of {options.size} octets, medians of "
          f"{options.rounds} rounds (least–most); PHP-FPM has 4 workers\n")  # fmt: skip
    print("| connections |", " | ".join(names), "|")
    print("|---|" + "---:|" * len(names))
    for connections in options.connections:
        print(f"| {connections} |", " | ".join(cell(rates.get((connections, name))) for name in names), "|")
    for name, reason in failed.items():
        print(f"\n{name} was not had: {reason}")


def main():
    options = arguments()
    tools = build(options)
    if options.only_receiving:
        receiving.report(options, receiving.measure_all(options, tools))
        return 0
    chosen = ways(tools)
    rates, failed = measure_all(options, chosen)
    report(options, chosen, rates, failed)
    report_shares(options, rates)
    receiving.report(options, receiving.measure_all(options, tools))
    return 1 if set(failed) & {"bare client", "inline full", "inline none"} else 0


if __name__ == "__main__":
    sys.exit(main())
