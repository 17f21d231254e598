"""Tables: by rich on a terminal, plain columns elsewhere, for cut, awk and grep."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .text import one_line, takes_control

COLOURS = {
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "queued": "blue",
    "ready": "green",
    "installed": "green",
    "needs env": "yellow",
    "starting": "blue",
    "unhealthy": "red",
    "cannot start": "red",
}
"""Of words that stand alone in a cell."""
GAP = 2
NAMES = 9
"""Columns of the names of values, at least: one run's values stand where another's do."""
NARROW = 16
"""Columns of a terminal that the last cell needs, else columns that can be spared are left out."""


def show(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    spare: Sequence[str] = (),
    least: int = NARROW,
) -> None:
    """Print rows of cells below their heads. Where a terminal is too narrow, the last cell is cut.

    Columns to `spare` are left out first, in this order, until the last one has at `least` so many.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    if takes_control(sys.stdout):
        _draw(head, cells, spare, least)
    else:
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        for row in (head, *cells):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_pairs(title: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and values below a title; a value may have several lines. A terminal wraps long ones."""
    width = max(NAMES, *(len(name) for name, _ in pairs))
    if not takes_control(sys.stdout):
        print(title)
        for name, value in pairs:
            print(f"  {name:<{width}}  " + value.replace("\n", "\n" + " " * (width + 4)))
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, emoji=False, markup=False)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_header=False)
    table.add_column(width=width, no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, Text(value, style=COLOURS.get(value.partition(":")[0], "")))
    console.print(Text(title, style="bold"))
    console.print(Padding(table, (0, 0, 0, 2)))


def _draw(head: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str], least: int) -> None:
    from rich.cells import cell_len
    from rich.console import Console, OverflowMethod  # some hundredths of a second: for a person only
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, emoji=False, markup=False)
    columns = {name: [row[at] for row in rows] for at, name in enumerate(head)}
    widths = {name: max(map(cell_len, (name, *cells))) for name, cells in columns.items()}
    left = console.width - sum(widths[name] + GAP for name in head[:-1])
    for name in spare:
        if left < least:
            left += widths.pop(name) + GAP
    widths[head[-1]] = max(left, 1)
    cut: OverflowMethod = "ellipsis" if console.encoding.startswith("utf") else "crop"
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for name, width in widths.items():
        table.add_column(name, no_wrap=True, overflow=cut, width=width)
    for row in zip(*(columns[name] for name in widths), strict=True):
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    console.print(table)
