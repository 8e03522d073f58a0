"""What a queue for PHP costs those who send mail: how fast it is received with one, and without."""

import os
import statistics
import tempfile
import time

from side_by_side.processes import say

from .fpm import Fpm
from .ways import Maiasaura

WARM_UP = 200
# As many as PHP-FPM has workers.
TO_PHP = 4
# Per cent.
GOAL = 80
WITHOUT, PAUSED, DRAINING = "no PHP", "queued, PHP stopped", "queued, PHP at work"


def measure(tools, how, connections, options):
    """Messages received per second, and handed over per second meanwhile."""
    way = Maiasaura(tools, "no PHP" if how == WITHOUT else "queued", "full", TO_PHP)
    with tempfile.TemporaryDirectory(prefix="maiasaura-php-", dir=options.scratch) as folder:
        os.chmod(folder, 0o755)
        with Fpm(folder) as fpm:
            try:
                way.start(folder, fpm, connections)
                way.load(WARM_UP, options.size)
                if how != WITHOUT:
                    fpm.wait_for(WARM_UP)
                if how == PAUSED:
                    fpm.pause(True)
                before, begin = fpm.taken(), time.monotonic()
                figures = way.load(messages(options), options.size)
                handed = (fpm.taken() - before) / (time.monotonic() - begin)
            finally:
                if how == PAUSED:
                    fpm.pause(False)
                way.stop()
    if how == PAUSED and handed:
        raise SystemExit("PHP is not stopped")
    if figures["errors"]:
        raise SystemExit(f"{how}: {figures['errors']} refused: {figures['first_error']}")
    return figures["messages"] / figures["seconds"], handed


def messages(options):
    return 3 * options.messages


def measure_all(options, tools):
    rates = {}
    for number in range(1, options.rounds + 1):
        for connections in options.receiving:
            for how in (WITHOUT, PAUSED, DRAINING):
                rate, handed = measure(tools, how, connections, options)
                rates.setdefault((connections, how), []).append((rate, handed))
                say(f"round {number}: {connections} clients: {how}: {rate:,.0f}/s received, {handed:,.0f}/s handed over")
    return rates


def shares(rates, connections, how):
    """Of each round: the rate in per cent of that without a queue."""
    pairs = zip(rates[connections, how], rates[connections, WITHOUT])
    return [100 * one / other for (one, _), (other, _) in pairs]


def report(options, rates):
    print(f"\nMessages received per second (`full`), {messages(options)} of {options.size} octets, medians of "
          f"{options.rounds} rounds; in brackets per cent of the same round without PHP\n")  # fmt: skip
    print(f"| clients | {WITHOUT} | {PAUSED} | {DRAINING} | handed over meanwhile |")
    print("|---|---:|---:|---:|---:|")
    for connections in options.receiving:
        without = [rate for rate, _ in rates[connections, WITHOUT]]
        cells = [f"{statistics.median(without):,.0f}"]
        for how in (PAUSED, DRAINING):
            with_queue = [rate for rate, _ in rates[connections, how]]
            share = statistics.median(shares(rates, connections, how))
            cells.append(f"{statistics.median(with_queue):,.0f} ({share:.0f} %)")
        cells.append(f"{statistics.median(handed for _, handed in rates[connections, DRAINING]):,.0f}")
        print(f"| {connections} |", " | ".join(cells), "|")
    print()
    for connections in options.receiving:
        share = statistics.median(shares(rates, connections, PAUSED))
        print(f"{connections} clients, PHP stopped: a queue leaves {share:.0f} % of the rate without one (goal: {GOAL})")
