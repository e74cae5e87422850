"""Printing data: a table for people, stable JSON and CSV for programs.

Stdout carries data only; progress and remarks go to stderr through :data:`err`. A table may omit
columns and round numbers, JSON and CSV do not.

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
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from studies.cli.table import Column, Row, print_object, print_rows

__all__ = [
    "Column",
    "Format",
    "FormatOption",
    "Row",
    "emit",
    "err",
    "show_all_columns",
]

PIPE_WIDTH = 100  # columns of a table in a pipe or file, unless COLUMNS says otherwise


class Format(StrEnum):
    """What ``--format`` takes."""

    table = "table"
    json = "json"
    csv = "csv"


FormatOption = Annotated[
    Format, typer.Option("--format", help="table for people; json and csv for programs")
]

err = Console(stderr=True, highlight=False)


def emit(
    data: Row | Sequence[Row],
    format: Format,
    columns: Sequence[Column] | None = None,
    title: str | None = None,
) -> None:
    """Print ``data``, one object or a list of rows, to stdout as ``format``.

    ``columns`` select and format the fields of a table; the default is all fields. An object prints
    as lines of names and values.
    """
    if format is Format.json:
        print(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))
    elif format is Format.csv:
        _print_csv([data] if isinstance(data, Mapping) else data)
    elif isinstance(data, Mapping):
        shown = columns or [Column(key, key, _plain) for key in data]
        print_object(data, shown, title, _width())
    else:
        width = None if _wide else _width()
        left_out = print_rows(data, columns or _all_columns(data), title, width)
        if left_out:
            err.print(f"left out: {', '.join(left_out)}; --wide shows them", style="dim")


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


_wide = False


def show_all_columns(wide: bool) -> None:
    """Print all columns of the following tables side by side, or fit tables to the window."""
    global _wide
    _wide = wide


def _width() -> int:
    """Return the window's columns, read for each table because windows are resized."""
    if sys.stdout.isatty():
        return shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() and int(columns) else PIPE_WIDTH


def _print_csv(rows: Sequence[Row]) -> None:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: _cell(v) for k, v in row.items()})
    sys.stdout.write(text.getvalue())


def _cell(value: Any) -> Any:
    """Return ``value`` as a CSV cell; nested values become JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value
