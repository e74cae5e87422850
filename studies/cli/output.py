"""How every command prints data: a table for people, stable JSON and CSV for programs.

Data goes to stdout and nothing else does; progress and remarks go to stderr through
:data:`err`. A table may leave columns out or round numbers, JSON and CSV never do.

>>> emit([{"step": "mqa", "params": 389282820}], Format.csv)
step,params
mqa,389282820
>>> emit({"step": "mqa", "params": 389282820}, Format.json)
{
  "step": "mqa",
  "params": 389282820
}
"""

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

Row = Mapping[str, Any]

TEXT_WIDTH = 84
INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C
PIPE_WIDTH = 160  # columns of a table that is not written to a terminal


class Format(StrEnum):
    """What ``--format`` takes."""

    table = "table"
    json = "json"
    csv = "csv"


FormatOption = Annotated[
    Format, typer.Option("--format", help="table for people; json and csv for programs")
]

err = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Column:
    """One column of a printed table: which field, under which heading, written how."""

    key: str
    heading: str
    write: Callable[[Any], str] = str
    right: bool = False  # numbers


def emit(
    data: Row | Sequence[Row],
    format: Format,
    columns: Sequence[Column] | None = None,
    title: str | None = None,
) -> None:
    """Print ``data``, one object or a list of rows, to stdout as ``format``.

    ``columns`` choose and format what a table shows; without them it shows every field. An object
    is shown as a table of names and values.
    """
    if format is Format.json:
        print(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))
    elif format is Format.csv:
        _print_csv([data] if isinstance(data, Mapping) else data)
    elif isinstance(data, Mapping):
        _print_object(data, columns, title)
    else:
        _print_rows(data, columns or _all_columns(data), title)


def shortened(value: Any) -> str:
    """Write a long text, such as a block's key, cut to what leaves room for numbers beside it."""
    text = str(value)
    return text if len(text) <= TEXT_WIDTH else text[: TEXT_WIDTH - 1] + "…"


def _all_columns(rows: Sequence[Row]) -> list[Column]:
    keys = dict.fromkeys(key for row in rows for key in row)
    numeric = {k for k in keys if all(isinstance(r.get(k, 0), (int, float)) for r in rows)}
    return [Column(key, key, _plain, key in numeric) for key in keys]


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def _console() -> Console:
    """Made at each call: stdout is replaced under tests, and its width changes with the window."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False)


def _print_rows(rows: Sequence[Row], columns: Sequence[Column], title: str | None) -> None:
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        keep = column.right or column is columns[0]  # numbers and names stay on one line
        table.add_column(column.heading, justify="right" if column.right else "left", no_wrap=keep)
    for row in rows:
        table.add_row(*(column.write(row.get(column.key)) for column in columns))
    _console().print(table)


def _print_object(data: Row, columns: Sequence[Column] | None, title: str | None) -> None:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column()
    shown = columns or [Column(key, key, _plain) for key in data]
    for column in shown:
        table.add_row(column.heading, column.write(data.get(column.key)))
    _console().print(table)


def _print_csv(rows: Sequence[Row]) -> None:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: _cell(v) for k, v in row.items()})
    sys.stdout.write(text.getvalue())


def _cell(value: Any) -> Any:
    """Nested values are JSON inside their cell, so that a CSV says as much as JSON does."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value
