"""Tables that fit the window: every digit stays, whatever the width.

A table that is too wide folds its texts, then leaves optional columns out, then stacks columns in
one cell, and at last prints each row as a list of names and values. ``--wide`` prints all columns
side by side.

>>> rows = [{"step": "mqa", "params": "389.28 M", "delta": "−15.9 %"}]
>>> columns = [Column("step", "step"), Column("params", "params", right=True),
...            Column("delta", "Δ", right=True, under="params")]
>>> left_out = print_rows(rows, columns, "A walk", width=20)
A walk
        params
step         Δ
──────────────
mqa   389.28 M
       −15.9 %
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]

GAP = 2  # blanks between columns
READABLE = 16  # a text folds no narrower than this, unless it is shorter
LONG = 24  # a longer word, such as an address, may be broken
NAME = 24  # nor does the first column, which names the row


@dataclass(frozen=True)
class Column:
    """One column of a printed table: which field, under which heading, written how.

    Where the window is too narrow, an ``optional`` column is left out, and one with ``under`` goes
    into the cell of the column with that key.
    """

    key: str
    heading: str
    write: Callable[[Any], str] = str
    right: bool = False  # numbers
    optional: bool = False
    under: str | None = None


@dataclass(frozen=True)
class _Cells:
    """A column as text: heading and cells, each of one or more lines."""

    name: str
    heading: str
    cells: tuple[str, ...]
    right: bool
    narrowest: int  # keeps numbers whole and texts readable

    @classmethod
    def of(cls, column: Column, rows: Sequence[Row], readable: int = READABLE) -> "_Cells":
        cells = tuple(column.write(row.get(column.key)) for row in rows)
        heading, widest = _longest_word(column.heading), max(map(_width, cells), default=0)
        words = max(map(_longest_word, cells), default=0)
        cell = widest if column.right else min(widest, max(min(words, LONG), readable))
        name = f"{column.key} {column.heading}"
        return cls(name, column.heading, cells, column.right, max(heading, cell))

    @property
    def widest(self) -> int:
        """The width without folding."""
        return max(map(_width, (self.heading, *self.cells)))


def print_rows(
    rows: Sequence[Row], columns: Sequence[Column], title: str | None, width: int | None
) -> list[str]:
    """Print ``rows`` to stdout in ``width`` columns, None for as many as they take.

    Returns the headings that were left out.
    """
    first, *others = columns
    everything = [_Cells.of(first, rows, NAME), *(_Cells.of(c, rows) for c in others)]
    needed = [column for column in columns if not column.optional]
    if width is None:
        _print_table(everything, [c.widest for c in everything], title, 0)
        return []
    fewer = [c for c, column in zip(everything, columns, strict=True) if not column.optional]
    for layout in (everything, fewer, _stacked(fewer, needed)):
        widths = _fit(layout, width)
        if widths is not None:
            _print_table(layout, widths, title, width)
            shown = {name for c in layout for name in c.name.split("\n")}
            return [c.heading for c in everything if c.name not in shown]
    _print_records(everything, title, width)
    return []


def print_object(data: Row, columns: Sequence[Column], title: str | None, width: int) -> None:
    """Print one object to stdout as lines of names and values."""
    _print_records([_Cells.of(column, [data]) for column in columns], title, width)


def _stacked(cells: Sequence[_Cells], columns: Sequence[Column]) -> list[_Cells]:
    """Return the columns with those ``under`` another one as further lines of its cells."""
    out: list[_Cells] = []
    for top, column in zip(cells, columns, strict=True):
        if column.under is not None:
            continue
        below = [c for c, other in zip(cells, columns, strict=True) if other.under == column.key]
        stack = [top, *below]
        lines = zip(*(c.cells for c in stack), strict=True)
        out.append(
            _Cells(
                "\n".join(c.name for c in stack),
                "\n".join(c.heading for c in stack),
                tuple("\n".join(filter(None, texts)) for texts in lines),
                top.right,
                max(c.narrowest for c in stack),
            )
        )
    return out


def _fit(layout: Sequence[_Cells], width: int) -> list[int] | None:
    """Return the widths of the columns, folding the widest ones first; None where none fit."""
    widths, least = [c.widest for c in layout], [c.narrowest for c in layout]
    room = width - GAP * (len(layout) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        slack = [now - low for now, low in zip(widths, least, strict=True)]
        candidates = [i for i, left in enumerate(slack) if left]
        widest = max(candidates, key=lambda i: widths[i])
        widths[widest] -= 1
    return widths


def _print_table(
    layout: Sequence[_Cells], widths: Sequence[int], title: str | None, window: int
) -> None:
    apart = int(any("\n" in column.heading for column in layout))  # stacked: a line between rows
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), leading=apart
    )
    for column, width in zip(layout, widths, strict=True):
        table.add_column(
            Text(column.heading, style="bold"),
            justify="right" if column.right else "left",
            width=width,
            overflow="fold",
        )
    for cells in zip(*(c.cells for c in layout), strict=True):
        table.add_row(*map(Text, cells))
    _print(title, table, max(window, sum(widths) + GAP * len(widths)))


def _print_records(columns: Sequence[_Cells], title: str | None, width: int) -> None:
    heading = max((_width(c.heading) for c in columns), default=0)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, GAP, 0, 0))
    table.add_column(width=heading)
    table.add_column(width=max(width - heading - GAP, READABLE), overflow="fold")
    for i in range(max((len(c.cells) for c in columns), default=0)):
        if i:
            table.add_row()
        for column in columns:
            table.add_row(Text(column.heading, style="bold"), Text(column.cells[i]))
    _print(title, table, max(width, heading + GAP + READABLE))


def _print(title: str | None, table: Table, width: int) -> None:
    """Print ``table`` below its title, without blanks at the ends of lines."""
    console = Console(file=sys.stdout, width=width, highlight=False)
    with console.capture() as captured:
        if title:
            console.print(Text(title, style="italic"))
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _width(text: str) -> int:
    return max(map(cell_len, text.split("\n")))


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)
