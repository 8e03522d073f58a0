"""The report: Markdown tables of medians and ratios, and the bars of the picture."""

from statistics import median

from .cells import GOAL, QUICK

# Ratios of the rate of the first server to that of the second, and the goal at 5 kB over 100 kept connections.
RATIOS = [
    ("maiasaura full", "dovecot", 3.5),
    ("maiasaura full", "postfix", 4.0),
    ("maiasaura full", "exim", None),
    ("maiasaura full", "aiosmtpd", None),
    ("maiasaura full", "node smtp-server", None),
    ("maiasaura full", "bare", 0.65),
    ("maiasaura journal", "maiasaura full", None),
    ("maiasaura journal", "bare log", None),
    ("maiasaura file", "maiasaura full", None),
    ("maiasaura none", "smtp-sink", None),
]


class Results:
    """All samples, by cell and server name."""

    def __init__(self, cells, names):
        self.cells, self.names = cells, names
        self.samples = {}
        self.troubles = []
        self.lost = 0
        # Syncs per message by server name, or why there is no figure; and how they were counted.
        self.syncs = {}
        self.counted_by = None
        # Why a server is not there, by its name.
        self.failed = {}
        # The names of servers that somebody else runs.
        self.others = []

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
    if name in results.failed:
        return "not had"
    rates = sorted(sample.rate for sample in results.samples.get((cell, name), []))
    spread = f" ({rates[0]:,.0f}–{rates[-1]:,.0f})" if len(rates) > 1 else ""
    return figure(results.median(cell, name, "rate")) + spread


def by_cell(results, title, show):
    """A table with a row for each cell and a column for each server."""
    rows = [[cell.title(), *(show(cell, name) for name in results.names)] for cell in results.cells]
    return table(title, ["", *results.names], rows)


def rates(results):
    """Messages a second."""

    def rate(cell, name):
        return rate_with_spread(results, cell, name)

    return by_cell(results, "Messages per second, until all are in their Maildirs", rate)


def ratios(results):
    """How many times as fast; a column for each cell would be too wide, so a row for each."""
    candidates = RATIOS + [("maiasaura full", name, None) for name in results.others]
    pairs = [pair for pair in candidates if pair[0] in results.names and pair[1] in results.names]
    if not pairs:
        return []
    head = ["", *(f"{one.removeprefix('maiasaura ')} / {other.removeprefix('maiasaura ')}" for one, other, _ in pairs)]
    rows = [
        [cell.title(), *(figure(results.ratio(cell, one, other), "{:.2f}") for one, other, _ in pairs)]
        for cell in results.cells
    ]
    rows.append([f"goal at {GOAL.title()}", *(figure(goal, "{:.2f}") for _, _, goal in pairs)])
    return table("Ratios of the rates", head, rows)


def details(results):
    """What each message cost, and what it had to wait."""

    def waits(cell, name):
        both = [results.median(cell, name, field) for field in ("p50_ms", "p99_ms")]
        return "–" if None in both else " / ".join(f"{value:.1f}" for value in both)

    def cpu(cell, name):
        return figure(results.median(cell, name, "cpu_ms") or None, "{:.2f}")

    def peak(cell, name):
        octets = results.median(cell, name, "peak")
        return figure(octets / 1e6 if octets else None)

    return [
        *by_cell(results, "From the last octet of the data to the acknowledgement, p50 / p99, ms", waits),
        *by_cell(results, "CPU time of the server per message, ms", cpu),
        *by_cell(results, "Peak memory, sum of all processes of the server, MB", peak),
    ]


def syncs(results):
    """Syncs per message, counted in runs of their own."""
    if not results.syncs:
        return []
    names = [name for name in results.names if name in results.syncs]
    row = [value if isinstance(value, str) else f"{value:.2f}" for value in (results.syncs[name] for name in names)]
    title = f"Syncs per message (fsync, fdatasync, sync_file_range, syncfs), by {results.counted_by}"
    return table(title, ["", *names], [[GOAL.title(), *row]])


def markdown(results, facts, extras):
    """The whole report."""
    lines = ["# Side by side", "", *(f"- {fact}" for fact in facts)]
    if results.cells:
        lines += rates(results) + ratios(results) + details(results)
    lines += syncs(results)
    for extra in extras:
        lines += table(extra.title, extra.head, extra.rows)
    if results.failed:
        rows = [[name, reason.replace("|", "/")] for name, reason in results.failed.items()]
        lines += table("Not had", ["", "why"], rows)
    if results.troubles:
        lines += ["", "## Not as it should be", "", *(f"- {trouble}" for trouble in dict.fromkeys(results.troubles))]
    return "\n".join(lines) + "\n"


def panels(results):
    """The bars of the picture: 5 kB over kept connections."""
    found = []
    for cell in QUICK:
        medians = [(name, results.median(cell, name, "rate")) for name in results.names]
        bars = [(name, rate) for name, rate in medians if rate]
        found += [(f"{cell.title()}: messages per second", bars)] if bars else []
    return found
