"""Bring in a table that was measured elsewhere, checked before a single row is written.

A table written by Walkbench comes with checksums, which must hold. A table from another tool is a
CSV with at least the columns ``key`` (a block key) and ``median_ms`` or ``slope_ms``; whatever else
it has of a table's columns is taken over, and what it lacks of the conditions is given by the
caller.

Wrong units are the classic mistake. Times are compared with what similar blocks of the same table
cost per unit of work; a row that is three orders of magnitude off is refused by name.

>>> from search_space.blocks import ConvIn
>>> times = {ConvIn(4, c, 32): 0.01 * c for c in (32, 64, 96, 128)}
>>> times[ConvIn(4, 160, 32)] = 1600.0  # microseconds, taken for milliseconds
>>> [block.out_channels for block, _ in implausible(times)]
[160]
"""

import csv
import dataclasses
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latency_db.table_file import TableWriter, read_rows
from latency_db.table_row import COLUMNS, NOT_RECORDED, MeasuringConditions, Row, check_times
from search_space.blocks import Block, parse_key
from search_space.cost import block_cost
from search_space.errors import WalkbenchError

ORDERS_OFF = 2.7  # log10: 500 times what similar blocks cost; a slip of units is 1000 times
MIN_NEIGHBOURS = 3  # blocks of one kind, to compare with that kind alone
# Work of a block: MACs, and what moving a value costs in MACs; rough, for orders of magnitude only.
_MACS_PER_VALUE = 30.0


def import_table(source: Path, into: Path, given: Mapping[str, str]) -> list[Row]:
    """Check the rows of ``source`` and write them to the new table ``into``.

    ``given`` are conditions that the file does not name, such as ``{"device": "iPhone 15 Pro"}``.
    Raises :class:`WalkbenchError` naming file, line, key and reason; then nothing is written.
    """
    if into.exists():
        raise WalkbenchError(
            f"table {into} exists; name a new file, tables merge when they are read"
        )
    rows = _rows(source, given)
    times = {row.block: row.block_ms for row in rows if not row.is_network}
    for block, factor in implausible(times):
        off = f"{factor:,.0f} times" if factor > 1 else f"1/{1 / factor:,.0f} of"
        raise WalkbenchError(
            f"{source.name}: {block.key!r} takes {times[block]:g} ms, {off} what similar blocks of "
            "this table cost; check its unit (milliseconds are needed)"
        )
    with TableWriter(into) as writer:
        for row in rows:
            writer.append(row)
    return rows


def implausible(times: Mapping[Block, float]) -> list[tuple[Block, float]]:
    """Return blocks whose time is orders of magnitude off their neighbours', with the factor."""
    rates = {
        block: math.log10(ms / _work(block)) for block, ms in times.items() if ms > 0
    }  # log10 of milliseconds per unit of work
    if len(rates) <= MIN_NEIGHBOURS:
        return []
    found = []
    for block, rate in rates.items():
        others = [r for b, r in rates.items() if b is not block and b.kind == block.kind]
        if len(others) < MIN_NEIGHBOURS:
            others = [r for b, r in rates.items() if b is not block]
        off = rate - statistics.median(others)
        if abs(off) > ORDERS_OFF:
            found.append((block, 10**off))
    return found


def _work(block: Block) -> float:
    cost = block_cost(block)
    return cost.macs + _MACS_PER_VALUE * (cost.moved_values + cost.params) + 1.0


def _rows(source: Path, given: Mapping[str, str]) -> list[Row]:
    try:
        with source.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or [])
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "is not text in columns"
        raise WalkbenchError(f"{source}: {reason}; name a readable CSV") from None
    if "check" in names:
        return read_rows(source)
    if not names:
        raise WalkbenchError(f"{source} is empty; a CSV with key and median_ms is needed")
    if "key" not in names or not {"median_ms", "slope_ms"} & set(names):
        raise WalkbenchError(
            f"{source} has the columns {', '.join(names)}; it needs key and median_ms (or slope_ms)"
        )
    if not lines:
        raise WalkbenchError(f"{source} has a header and no rows; nothing to import")
    known = set(COLUMNS) | set(MeasuringConditions.__dataclass_fields__)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise WalkbenchError(
            f"{source} has a column {unknown[0]!r} that a table does not; columns: "
            f"{', '.join(COLUMNS)}"
        )
    return [
        _foreign(cells, given, f"{source.name} line {i}") for i, cells in enumerate(lines, start=2)
    ]


def _foreign(cells: Mapping[str, Any], given: Mapping[str, str], where: str) -> Row:
    """One line of another tool's table, with conditions and summary filled in."""
    key = (cells.get("key") or "").strip()
    named = f"{where} ({key[:80] or 'no key'})"
    try:
        parse_key(key)
    except (WalkbenchError, ValueError) as error:
        raise WalkbenchError(f"{named}: {error}") from None
    slope = _number(cells, "slope_ms", named)
    median = _number(cells, "median_ms", named)
    if median is None:
        median = slope
    if median is None:
        raise WalkbenchError(f"{named} has neither median_ms nor slope_ms")
    low, high = (_number(cells, name, named) for name in ("p10_ms", "p90_ms"))
    samples = cells.get("samples") or "1: "
    if not samples.partition(":")[0].isdecimal():
        raise WalkbenchError(
            f"{named}: samples are {samples[:20]!r}; copies, a colon and times are needed, such as "
            "'1: 0.51 0.52', or leave the column out"
        )
    row = Row(
        key=key,
        median_ms=median,
        p10_ms=median if low is None else low,
        p90_ms=median if high is None else high,
        n=_whole(cells, "n", named) or 1,
        outliers=_whole(cells, "outliers", named) or 0,
        slope_ms=slope,
        slope_low_ms=_number(cells, "slope_low_ms", named),
        slope_high_ms=_number(cells, "slope_high_ms", named),
        conditions=_conditions(cells, given, named),
        units_planned=cells.get("units_planned") or NOT_RECORDED,
        date=cells.get("date") or "",
        run=cells.get("run") or f"import {where.split()[0]}",
        pass_number=_whole(cells, "pass_number", named) or 0,
        spec="",
        samples=samples,
    )
    check_times(row, named)
    if slope is not None and slope <= 0:
        raise WalkbenchError(f"{named}: slope_ms is {slope:g}; a positive number is needed")
    return row


def _conditions(
    cells: Mapping[str, Any], given: Mapping[str, str], where: str
) -> MeasuringConditions:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(MeasuringConditions):
        text = cells.get(field.name) or given.get(field.name)
        if text:
            is_count = field.type is int
            values[field.name] = _whole({field.name: text}, field.name, where) if is_count else text
        elif field.type is str and field.name != "device":
            values[field.name] = NOT_RECORDED  # not what a measurement of ours would have been
    if not values.get("device"):
        raise WalkbenchError(f"{where} names no device; say it with --device 'iPhone 15 Pro'")
    return MeasuringConditions(**values)


def _number(cells: Mapping[str, Any], name: str, where: str) -> float | None:
    raw = (cells.get(name) or "").strip()
    if not raw:
        return None
    try:
        return float(raw)
    except ValueError:
        raise WalkbenchError(f"{where}: {name} is {raw!r}; a number is needed") from None


def _whole(cells: Mapping[str, Any], name: str, where: str) -> int | None:
    value = _number(cells, name, where)
    if value is not None and not value.is_integer():
        raise WalkbenchError(f"{where}: {name} is {value:g}; a whole number is needed")
    return None if value is None else int(value)
