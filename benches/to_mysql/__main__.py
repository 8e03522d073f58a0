"""The whole run: build, ways, rounds, report."""

import statistics
import sys
import tempfile

from shared import begin
from shared.running import Failed
from side_by_side.processes import say

from .ways import RECEIVING, ROWS, mariadb, measure_receiving, measure_rows


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
    parser = begin.parser("benches/mysql", "Measures how fast rows get into MySQL.", messages=5000, connections="1,10,100")
    options = begin.options_of(parser)
    tools = begin.build(options, "load", "mysql", features=["--all-features"])
    try:
        report(options, measure_all(options, tools))
    except Failed as error:
        say(f"benches/mysql: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
