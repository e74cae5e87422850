"""Price many designs of a space in memory and write them as one table: no study, no storage.

A study keeps a trial for every design, which costs milliseconds; a sweep keeps a row. It is for the
10⁵ points of a picture of a space, or for other tools.

>>> from search_space.space import SearchSpace
>>> table = sweep(SearchSpace.load("pocket"), 3, seed=0)
>>> len(table), "params" in table, "axis.sampler" in table
(3, True, True)
"""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from latency_db.source import LatencySource
from search_space.atomic import atomic_write
from search_space.cost import cost
from search_space.enumerate import enumerate_designs
from search_space.errors import SpecError, WalkbenchError
from search_space.sample import TRIES, RandomValues
from search_space.space import SearchSpace
from search_space.spec import UNetSpec

SUFFIXES = (".parquet", ".csv")
MOST_ENUMERATED = 10**7  # designs; more fit neither memory nor patience


def sweep(
    space: SearchSpace,
    number: int | None,
    seed: int = 0,
    latency: LatencySource | None = None,
    budgets: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Return ``number`` different designs drawn at random, or all of them with None; one row each.

    Columns: ``digest``, the exact costs, ``latency_ms`` with ``latency_low_ms`` and
    ``latency_high_ms`` where ``latency`` is given, and ``axis.NAME`` as JSON, empty where the axis
    has no effect. ``budgets`` are upper limits of columns; designs over them are left out, and do
    not count. Raises :class:`WalkbenchError` when the space has not that many.
    """
    limits = dict(budgets or {})
    rows = (_row(params, design, latency) for params, design in _designs(space, number, seed))
    kept = (row for row in rows if all(row[name] <= limit for name, limit in limits.items()))
    found = list(kept if number is None else islice(kept, number))
    if number is not None and len(found) < number:
        within = " within the budgets" if limits else ""
        raise WalkbenchError(
            f"space {space.name!r} gave only {len(found)} different designs{within}; "
            "ask for fewer, or for all"
        )
    axes = [f"axis.{axis.name}" for axis, _ in space.axes]
    columns = [*dict.fromkeys(key for row in found[:1] for key in row if key not in axes), *axes]
    return pd.DataFrame(found, columns=columns)


def write_sweep(table: pd.DataFrame, path: Path) -> None:
    """Write a sweep as Parquet or CSV, by the name's ending; whole or not at all.

    Raises :class:`WalkbenchError` for another ending, and where Parquet's library is missing.
    """
    check_target(path)
    with atomic_write(path) as partial:
        if path.suffix == ".parquet":
            table.to_parquet(partial, index=False, compression="zstd")
        else:
            table.to_csv(partial, index=False)


def check_target(path: Path) -> None:
    """Raise :class:`WalkbenchError` for a file that :func:`write_sweep` would not write."""
    if path.suffix not in SUFFIXES:
        raise WalkbenchError(f"{path} is neither .parquet nor .csv; name it so")
    if not path.parent.is_dir():
        raise WalkbenchError(f"{path}: there is no folder {path.parent}; make it, or name another")
    if path.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise WalkbenchError(
                "Parquet needs pyarrow; pip install 'walkbench[parquet]', or name a .csv file"
            ) from None


def _designs(
    space: SearchSpace, number: int | None, seed: int
) -> Iterator[tuple[dict[str, Any], UNetSpec]]:
    if number is not None:
        yield from _drawn(space, number, seed)
        return
    if (size := space.size()) > MOST_ENUMERATED:
        raise WalkbenchError(
            f"space {space.name!r} has {size:.1e} designs, {MOST_ENUMERATED:.0e} can be "
            "enumerated; draw some with --number"
        )
    yield from enumerate_designs(space)


def _drawn(space: SearchSpace, number: int, seed: int) -> Iterator[tuple[dict[str, Any], UNetSpec]]:
    """Yield different designs until nothing new comes for long."""
    source, seen, misses = random.Random(f"{space.digest()}-{seed}"), set[UNetSpec](), 0
    while misses < TRIES * max(number, 10):
        values = RandomValues(source)
        misses += 1
        try:
            design = space.suggest(values)
        except SpecError:
            continue
        if design not in seen:
            seen.add(design)
            misses = 0
            yield values.params, design


def _row(
    params: Mapping[str, Any], design: UNetSpec, latency: LatencySource | None
) -> dict[str, Any]:
    row: dict[str, Any] = {"digest": design.digest(), **asdict(cost(design))}
    if latency is not None:
        found = latency.predict(design)
        row |= {
            "latency_ms": found.ms,
            "latency_low_ms": found.low,
            "latency_high_ms": found.high,
        }
    return row | {f"axis.{name}": json.dumps(value) for name, value in params.items()}
