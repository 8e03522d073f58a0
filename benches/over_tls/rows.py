"""What is measured, each with TLS and without."""

import dataclasses

from side_by_side.cells import Cell

PARTS = ("new", "kept", "large", "idle")
LOADS = {
    "new": [Cell(reconnect=True), Cell(connections=100, reconnect=True)],
    "kept": [Cell(connections=1), Cell(connections=10), Cell(connections=100)],
    "large": [Cell(size=100_000), Cell(size=1_000_000)],
}


def cells(parts):
    """The rows; one with TLS stands right behind the plain one, so that both meet the same minute of the machine."""
    found = []
    for plain in (plain for part in parts for plain in LOADS.get(part, [])):
        found.append(plain)
        found.append(dataclasses.replace(plain, tls=True))
        if plain.reconnect:
            found.append(dataclasses.replace(plain, tls=True, resume=True))
    return found


def plain_of(cell):
    """The same row without TLS."""
    return dataclasses.replace(cell, tls=False, resume=False)
