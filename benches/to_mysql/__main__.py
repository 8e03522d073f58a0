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

from .ways import RECEIVING, ROWS, Away, CannotStart, mariadb, measure_receiving, measure_rows

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def arguments():
    parser = argparse.ArgumentParser(prog="benches/mysql", description="Measures how fast rows get into MySQL.")
    parser.add_argument("--messages", type=int, default=5000, help="of each measurement (default 5000)")
    parser.add_argument("--size", type=int, default=5000, help="octets of each message (default 5000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over everything (default 3)")
    parser.add_argument("--connections", default="1,10,100", help="clients at the same time (default 1,10,100)")
    parser.add_argument("--scratch", default="/var/tmp", help="where temporary folders go (default /var/tmp)")
    options = parser.parse_args()
    options.connections = [int(number) for number in options.connections.split(",")]
    if min(options.messages, options.size, options.rounds, *options.connections) < 1:
        parser.error("every number is at least 1")
    return options


def build():
    """Builds the programs. Returns their paths."""
    say("building")
    command = ["cargo", "build", "--release", "--all-features", "--message-format=json-render-diagnostics",
               "--bin", "maiasaura", "--bench", "load", "--bench", "mysql"]  # fmt: skip
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    programs = {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}
    return types.SimpleNamespace(load=programs["load"], server=programs["maiasaura"], mysql=programs["mysql"])


def measure_all(options, tools):
    """Rounds over all ways, interleaved so that a bad minute of the machine hits all alike."""
    rates = {}
    with tempfile.TemporaryDirectory(prefix="maiasaura-mysql-", dir=options.scratch) as folder, mariadb(folder):
        for number in range(1, options.rounds + 1):
            for name, words in ROWS:
                rate = measure_rows(folder, tools, words, options)
                rates.setdefault(name, []).append(rate)
                say(f"round {number}: {name}: {rate:,.0f} rows/s")
            for connections in options.connections:
                for way in RECEIVING:
                    rate = measure_receiving(folder, tools, way, connections, options)
                    rates.setdefault((connections, way.name), []).append(rate)
                    say(f"round {number}: {connections} connections: {way.name}: {rate:,.0f}/s")
    return rates


def report(options, rates):
    print(f"Rows per second, {options.messages} rows, medians of {options.rounds} rounds\n")
    print("| way | rows/s | to one INSERT each |\n|---|---:|---:|")
    single = ROWS[0][0]
    for name, _ in ROWS:
        share = statistics.median(rate / other for rate, other in zip(rates[name], rates[single]))
        print(f"| {name} | {statistics.median(rates[name]):,.0f} | {share:.1f} × |")
    print(f"\nMessages received per second, {options.messages} of {options.size} octets; in brackets per cent of the same "
          "durability without MySQL, in the same round\n")  # fmt: skip
    names = [way.name for way in RECEIVING]
    print("| connections |", " | ".join(names), "|")
    print("|---|" + "---:|" * len(names))
    for connections in options.connections:
        cells = []
        for way in RECEIVING:
            own, without = rates[connections, way.name], rates[connections, f"Maildir {way.durability}"]
            share = statistics.median(100 * rate / other for rate, other in zip(own, without))
            cells.append(f"{statistics.median(own):,.0f} ({share:.0f} %)")
        print(f"| {connections} |", " | ".join(cells), "|")


def main():
    options = arguments()
    tools = build()
    try:
        report(options, measure_all(options, tools))
    except (CannotStart, Away) as error:
        say(f"benches/mysql: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
