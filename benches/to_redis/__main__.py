"""The whole run: build, ways, rounds, report."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import types

from side_by_side.processes import say

from .ways import RECEIVING, WORKERS, Away, CannotStart, measure_receiving, measure_working

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NONE = "Maildir none"


def arguments():
    parser = argparse.ArgumentParser(prog="benches/redis", description="Measures how fast mail gets into Redis.")
    parser.add_argument("--messages", type=int, default=5000, help="of each measurement (default 5000)")
    parser.add_argument("--size", type=int, default=5000, help="octets of each message (default 5000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over everything (default 3)")
    parser.add_argument("--connections", default="1,10,100", help="clients at the same time (default 1,10,100)")
    parser.add_argument("--server-binary", help="the maiasaura to measure instead of the one built here")
    parser.add_argument("--scratch", default="/var/tmp", help="where temporary folders go (default /var/tmp)")
    options = parser.parse_args()
    options.connections = [int(number) for number in options.connections.split(",")]
    if min(options.messages, options.size, options.rounds, *options.connections) < 1:
        parser.error("every number is at least 1")
    return options


def build(options):
    """Builds the programs. Returns their paths."""
    say("building")
    command = ["cargo", "build", "--release", "--all-features", "--message-format=json-render-diagnostics",
               "--bin", "maiasaura", "--bench", "load"]  # fmt: skip
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    programs = {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}
    server = os.path.abspath(options.server_binary) if options.server_binary else programs["maiasaura"]
    return types.SimpleNamespace(load=programs["load"], server=server)


def in_folder(options, measure, *arguments):
    with tempfile.TemporaryDirectory(prefix="maiasaura-redis-", dir=options.scratch) as folder:
        return measure(folder, *arguments, options)


def measure_all(options, tools):
    """Rounds over all rows and ways, interleaved so that a bad minute of the machine hits all alike."""
    rates = {}
    for number in range(1, options.rounds + 1):
        for connections in options.connections:
            for way in RECEIVING:
                rate = in_folder(options, measure_receiving, tools, way, connections)
                rates.setdefault((connections, way.name), []).append(rate)
                say(f"round {number}: {connections} connections: {way.name}: {rate:,.0f}/s")
        for workers, at_once in WORKERS:
            rate = in_folder(options, measure_working, tools, workers, at_once)
            rates.setdefault((workers, at_once), []).append(rate)
            say(f"round {number}: {workers} workers with {at_once} at once: {rate:,.0f}/s")
    return rates


def shares(rates, connections, name):
    """Of each round, in per cent of the Maildirs without a sync."""
    pairs = zip(rates[connections, name], rates[connections, NONE])
    return statistics.median(100 * rate / other for rate, other in pairs)


def report(options, rates):
    print(f"Messages received per second, {options.messages} of {options.size} octets, medians of {options.rounds} rounds; "
          f"in brackets per cent of `{NONE}` in the same round\n")  # fmt: skip
    names = [way.name for way in RECEIVING]
    print("| connections |", " | ".join(names), "|")
    print("|---|" + "---:|" * len(names))
    for connections in options.connections:
        cells = [f"{statistics.median(rates[connections, name]):,.0f} ({shares(rates, connections, name):.0f} %)" for name in names]
        print(f"| {connections} |", " | ".join(cells), "|")
    print("\nMessages that workers deliver per second, from full streams into Maildirs (`none`)\n")
    print("| workers | at once | messages/s |\n|---|---|---:|")
    for workers, at_once in WORKERS:
        print(f"| {workers} | {at_once} | {statistics.median(rates[workers, at_once]):,.0f} |")


def main():
    options = arguments()
    tools = build(options)
    try:
        report(options, measure_all(options, tools))
    except (CannotStart, Away) as error:
        say(f"benches/redis: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
