"""The whole run: build, ways, rounds, report."""

import statistics
import sys
import tempfile

from shared import begin
from shared.running import Failed
from side_by_side.processes import say

from .ways import RECEIVING, WORKERS, measure_receiving, measure_working

NONE = "Maildir none"


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
    parser = begin.parser("benches/redis", "Measures how fast mail gets into Redis.", messages=5000, connections="1,10,100")
    options = begin.options_of(parser)
    tools = begin.build(options, "load", features=["--all-features"])
    try:
        report(options, measure_all(options, tools))
    except Failed as error:
        say(f"benches/redis: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
