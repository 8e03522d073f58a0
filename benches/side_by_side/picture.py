"""The picture: bars of messages per second, one panel for each number of connections, in SVG (version 1.1).

Colours change with the reader's scheme, light or dark; there is no background, so that the page's own shows.
"""

from html import escape

LABELS, BARS, VALUES = 150, 480, 90
BAR, GAP, PANEL = 16, 5, 40

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.note { font-size: 11px; fill: #59636e }
.ours { fill: #1a7f37 } .peer { fill: #6e7781 } .limit { fill: none; stroke: #6e7781; stroke-dasharray: 3 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #9198a1 }
  .ours { fill: #3fb950 } .peer { fill: #8b949e } .limit { stroke: #8b949e }
}
"""
# smtp-sink delivers nothing, and its bar would make all others short.
LEFT_OUT = ("smtp-sink",)
LIMITS = ("bare", "bare log")
# This one may be many times as fast as all others: it does not set the scale, and is cut off.
BEYOND = "bare log"
NOTE_LENGTH = 105


def svg(panels, notes):
    """The picture of `panels`, a list of titles with lists of (server name, messages a second); each panel has its own
    scale. `notes` are lines below."""
    panels = [(title, [bar for bar in bars if bar[0] not in LEFT_OUT]) for title, bars in panels]
    parts, y = [], 0
    for title, bars in panels:
        y += PANEL
        parts.append(f'<text class="title" x="0" y="{y - 12}">{escape(title)}</text>')
        most = max((rate for name, rate in bars if name != BEYOND), default=0) or max(rate for _, rate in bars)
        for name, rate in bars:
            parts += bar_of(name, rate, most, y)
            y += BAR + GAP
    y += 10
    for note in notes:
        y += 14
        parts.append(f'<text class="note" x="0" y="{y}">{escape(shortened(note))}</text>')
    return head(panels, LABELS + BARS + VALUES, y + 6) + "\n".join(parts) + "\n</svg>\n"


def head(panels, width, height):
    """The opening of the file; the description gives all figures to those who do not see the bars."""
    figures = (f"{title}: " + ", ".join(f"{name} {rate:,.0f}" for name, rate in bars) for title, bars in panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img">\n<title>Messages per second</title>\n<desc>{escape("; ".join(figures))}</desc>\n'
        f"<style>{STYLE}</style>\n"
    )


def shortened(note):
    return note if len(note) <= NOTE_LENGTH else note[:NOTE_LENGTH] + " …"


def bar_of(name, rate, most, y):
    """One server: its name, its bar, its figure; an arrow where the bar ought to be longer."""
    kind = "ours" if name.startswith("maiasaura") else "limit" if name in LIMITS else "peer"
    length = max(1, min(1, rate / most) * BARS)
    base = y + BAR - 4
    arrow = "→ " if rate > most else ""
    return [
        f'<text x="{LABELS - 8}" y="{base}" text-anchor="end">{escape(name)}</text>',
        f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
        f'<text x="{LABELS + length + 6:.1f}" y="{base}">{arrow}{rate:,.0f}</text>',
    ]
