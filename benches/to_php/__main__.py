"""The whole run: build, ways, rounds, report."""

import os
import statistics
import sys
import tempfile
import time

from shared import begin
from shared.running import Failed, rate_of
from side_by_side.processes import say

from . import receiving
from .fpm import Fpm
from .ways import Bare, Bridge, Guerrilla, Maiasaura

WARM_UP = 20


def arguments():
    parser = begin.parser("benches/php", "Measures how fast mail gets to PHP.", messages=2000, connections="1,4,16")
    parser.add_argument("--receiving", type=begin.numbers, default="10,100",
                        help="clients while the rate of receiving is measured (default 10,100)")  # fmt: skip
    parser.add_argument("--only-receiving", action="store_true", help="only what a queue costs those who send")
    parser.add_argument("--guerrilla", metavar="BINARY", help="a go-guerrilla that has the fastcgi-processor")
    return begin.options_of(parser)


def ways(options, tools):
    """The columns, in order."""
    chosen = [Bare(tools), Bridge(tools)]
    chosen += [Maiasaura(tools, "no PHP", level) for level in ("full", "none")]
    chosen += [Maiasaura(tools, "inline", level) for level in ("full", "none")]
    chosen += [Maiasaura(tools, "queued", level) for level in ("full", "none")]
    return chosen + [Guerrilla(tools, options.guerrilla)] * bool(options.guerrilla)


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
        raise Failed(f"PHP has seen {seen} of {options.messages} messages")
    return options.messages / waited


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
                except (OSError, Failed) as error:
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
    tools = begin.build(options, "load", "fastcgi")
    if options.only_receiving:
        receiving.report(options, receiving.measure_all(options, tools))
        return 0
    chosen = ways(options, tools)
    rates, failed = measure_all(options, chosen)
    report(options, chosen, rates, failed)
    report_shares(options, rates)
    receiving.report(options, receiving.measure_all(options, tools))
    return 1 if set(failed) & {"bare client", "inline full", "inline none"} else 0


if __name__ == "__main__":
    sys.exit(main())
