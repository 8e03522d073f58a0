"""The report: Markdown tables of medians, ratios, and what was reached of the goals."""

from statistics import median

from .cells import GOAL

# Ratios of the first server to the second: shown in each row.
RATIOS = [("maiasaura full", "dovecot"), ("maiasaura full", "postfix"), ("maiasaura full", "bare")]
# Goals at 5 kB and 100 kept connections: the least ratio of Maiasaura (full) to each.
GOALS = {"dovecot": 3.5, "postfix": 4.0, "bare": 0.65}
IDLE_GOAL = 100_000_000


class Results:
    """All samples, by cell and server name."""

    def __init__(self, cells, names):
        self.cells, self.names = cells, names
        self.samples = {}
        self.troubles = []
        self.lost = 0

    def add(self, cell, name, sample):
        """Keeps a sample; what went wrong with it goes below the tables."""
        self.lost += sample.lost
        if sample.remark:
            self.troubles.append(f"{name}, {cell.title()}: {sample.remark.strip()}")
        if sample.rate > 0:
            self.samples.setdefault((cell, name), []).append(sample)

    def median(self, cell, name, field):
        """The median of one field over the rounds; None when there is no figure."""
        values = [getattr(sample, field) for sample in self.samples.get((cell, name), [])]
        values = [value for value in values if value is not None]
        return median(values) if values else None

    def ratio(self, cell, one, other):
        """The rate of one server over that of another; the median over the rounds that both have."""
        ones, others = (self.samples.get((cell, name), []) for name in (one, other))
        ratios = [a.rate / b.rate for a, b in zip(ones, others)]
        return median(ratios) if ratios else None


def table(title, head, rows):
    """A Markdown table."""
    lines = ["", f"## {title}", "", "| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def figure(value, form="{:,.0f}"):
    return "–" if value is None else form.format(value)


def rate_with_spread(results, cell, name):
    """The median rate, and the least and the most of the rounds where there were several."""
    rates = sorted(sample.rate for sample in results.samples.get((cell, name), []))
    spread = f" ({rates[0]:,.0f}–{rates[-1]:,.0f})" if len(rates) > 1 else ""
    return figure(results.median(cell, name, "rate")) + spread


def rates(results):
    """Messages a second, and the ratios."""
    ratios = [(one, other) for one, other in RATIOS if one in results.names and other in results.names]
    head = ["", *results.names, *(f"full / {other}" for _, other in ratios)]
    rows = [
        [cell.title()]
        + [rate_with_spread(results, cell, name) for name in results.names]
        + [figure(results.ratio(cell, *pair), "{:.2f}") for pair in ratios]
        for cell in results.cells
    ]
    return table("Messages per second, until all are in their Maildirs", head, rows)


def details(results):
    """What each message cost, and what it had to wait."""

    def rows(show):
        return [[cell.title(), *(show(cell, name) for name in results.names)] for cell in results.cells]

    def waits(cell, name):
        both = [results.median(cell, name, field) for field in ("p50_ms", "p99_ms")]
        return "–" if None in both else " / ".join(f"{value:.1f}" for value in both)

    def cpu(cell, name):
        return figure(results.median(cell, name, "cpu_ms") or None, "{:.2f}")

    def peak(cell, name):
        octets = results.median(cell, name, "peak")
        return figure(octets / 1e6 if octets else None)

    head = ["", *results.names]
    return [
        *table("From the last octet of the data to the acknowledgement, p50 / p99, ms", head, rows(waits)),
        *table("CPU time of the server per message, ms", head, rows(cpu)),
        *table("Peak memory, sum of all processes of the server, MB", head, rows(peak)),
    ]


def goals(results, idle):
    """One line for each goal that could be looked at; `idle` is connections, octets without, with, and a Sample."""
    lines = ["", "## Goals", ""]
    for other, goal in GOALS.items():
        ratio = results.ratio(GOAL, "maiasaura full", other)
        verdict = "not measured" if ratio is None else f"{'reached' if ratio >= goal else 'missed'}: {ratio:.2f}"
        lines.append(f"- {GOAL.title()}, maiasaura full at least {goal} × {other}: {verdict}")
    if idle is None:
        return [*lines, f"- 5,000 idle connections in less than {IDLE_GOAL / 1e6:.0f} MB: not measured"]
    count, empty, full, sample = idle
    verdict = "reached" if full < IDLE_GOAL else "missed"
    each = (full - empty) / count / 1000
    return [
        *lines,
        f"- {count:,} idle connections in less than {IDLE_GOAL / 1e6:.0f} MB: {verdict}: {full / 1e6:.1f} MB "
        f"({empty / 1e6:.1f} MB without; {each:.2f} kB per connection; {sample.rate:,.0f} messages/s meanwhile)",
    ]


def markdown(results, facts, idle):
    """The whole report."""
    lines = ["# Side by side", "", *(f"- {fact}" for fact in facts)]
    lines += rates(results) + details(results) + goals(results, idle)
    if results.troubles:
        lines += ["", "## Not as it should be", "", *(f"- {trouble}" for trouble in dict.fromkeys(results.troubles))]
    return "\n".join(lines) + "\n"
