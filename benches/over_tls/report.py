"""The report: rates, and what they are beside plain connections and beside Postfix."""

from statistics import median

from side_by_side import report
from side_by_side.report import figure, table

from .rows import plain_of

# Goals: new sessions with TLS beside Postfix, and kept connections with TLS beside plain ones.
BESIDE_POSTFIX, BESIDE_PLAIN = 5.0, 0.85


def beside_plain(results, cell, name):
    """The rate with TLS over that without; the median over the rounds."""
    samples = (results.samples.get((it, name), []) for it in (cell, plain_of(cell)))
    ratios = [with_tls.rate / plain.rate for with_tls, plain in zip(*samples)]
    return median(ratios) if ratios else None


def tls_over_plain(results):
    """A row for each row with TLS."""
    rows = [
        [cell.title(), *(figure(beside_plain(results, cell, name), "{:.2f}") for name in results.names)]
        for cell in results.cells
        if cell.tls
    ]
    rows.append(["goal for kept connections", *("{:.2f}".format(BESIDE_PLAIN) for _ in results.names)])
    return table("The rate with TLS over that without", ["", *results.names], rows)


def over_postfix(results):
    """How many times as fast as Postfix, each with TLS or each without."""
    ours = [name for name in results.names if name != "postfix"]
    if "postfix" not in results.names:
        return []
    rows = [
        [cell.title(), *(figure(results.ratio(cell, name, "postfix"), "{:.2f}") for name in ours)]
        for cell in results.cells
    ]
    rows.append(["goal for new sessions with TLS", *("{:.2f}".format(BESIDE_POSTFIX) for _ in ours)])
    return table("The rate over that of Postfix", ["", *ours], rows)


def cpu(results):
    """CPU time of the server for each message."""

    def show(cell, name):
        return figure(results.median(cell, name, "cpu_ms") or None, "{:.2f}")

    return report.by_cell(results, "CPU time of the server per message, ms", show)


def markdown(results, facts, extras):
    """The whole report."""
    lines = ["# TLS", "", *(f"- {fact}" for fact in facts)]
    if results.cells:
        lines += report.rates(results) + tls_over_plain(results) + over_postfix(results) + cpu(results)
    for extra in extras:
        lines += table(extra.title, extra.head, extra.rows)
    if results.failed:
        lines += table("Not had", ["", "why"], [[name, reason.replace("|", "/")] for name, reason in results.failed.items()])
    if results.troubles:
        lines += ["", "## Not as it should be", "", *(f"- {trouble}" for trouble in dict.fromkeys(results.troubles))]
    return "\n".join(lines) + "\n"
