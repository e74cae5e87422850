"""`Table`: measured latencies of blocks on one device under one set of conditions.

Reading merges the passes and runs of one or more files. Two runs that disagree by more than 15 %
on a block, under the same conditions, contradict each other: that is an error, or, on request,
an entry whose interval holds both. Drift of the machine's pace between the passes of a run is
removed first (:mod:`latency_db.table_drift`), unless the caller wants the times as measured.

A table is data; :class:`latency_db.table_source.TableSource` predicts networks from it.

>>> from latency_db.table_row import MeasuringConditions, Row
>>> row = Row.of("conv_in in_channels=4 out_channels=64 size=32", MeasuringConditions("cpu"),
...              {1: [1.5], 4: [4.5]}, run="a")
>>> table = Table.of([row], "demo")
>>> [(block.kind, entry.ms) for block, entry in table.entries.items()]
[('conv_in', 1.0)]
"""

import dataclasses
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from latency_db.source import revision_of
from latency_db.table_drift import DriftFree, without_drift
from latency_db.table_file import read_rows, table_path
from latency_db.table_row import MeasuringConditions, Row
from latency_db.table_samples import MAD_TO_DEVIATION, MEDIAN_OVER_MEAN, NORMAL_QUANTILE
from search_space.blocks import Block, parse_key
from search_space.errors import WalkbenchError
from search_space.network import Network, network_from_json

CONTRADICTION = 1.15  # largest over smallest, between runs under the same conditions


@dataclass(frozen=True)
class Entry:
    """All rows of one key, merged."""

    key: str
    ms: float  # one block, without the price of a call
    deviation_ms: float  # standard error of ``ms``
    floor_ms: float  # the price of a call beyond its blocks
    n: int  # samples
    units_planned: str


@dataclass(frozen=True)
class NetworkEntry:
    """A whole network that was timed beside its blocks."""

    spec: Network
    ms: float
    deviation_ms: float


@dataclass(frozen=True)
class Contradiction:
    """Two runs that disagree about one key."""

    key: str
    ms_by_run: Mapping[str, float]

    def __str__(self) -> str:
        runs = ", ".join(f"{ms:.4g} ms in run {run}" for run, ms in self.ms_by_run.items())
        return f"{self.key}: {runs}"


@dataclass(frozen=True, eq=False)
class Table:
    """Merged entries of one device under one set of conditions."""

    name: str
    conditions: MeasuringConditions
    entries: Mapping[Block, Entry]
    networks: tuple[NetworkEntry, ...]
    contradictions: tuple[Contradiction, ...] = ()
    drift: float = 0.0  # standard deviation of the pace that was removed, 0.1 for 10 %

    @classmethod
    def load(
        cls,
        *names_or_paths: str | Path,
        where: Mapping[str, str] | None = None,
        contradictions: Literal["refuse", "widen"] = "refuse",
        drift: Literal["remove", "keep"] = "remove",
    ) -> Self:
        """Read and merge tables by shipped name or path.

        ``where`` picks one set of conditions when the files hold several, such as
        ``{"precision": "fp16"}``; ``drift`` "keep" merges times as measured. Raises
        :class:`WalkbenchError` for damaged rows, for several sets of conditions left, and for
        contradictions unless they may widen the interval.
        """
        paths = [table_path(name) for name in names_or_paths]
        rows = [row for path in paths for row in read_rows(path)]
        name = "+".join(path.stem for path in paths)
        return cls.of(rows, name, where=where, contradictions=contradictions, drift=drift)

    @classmethod
    def of(
        cls,
        rows: Iterable[Row],
        name: str,
        *,
        where: Mapping[str, str] | None = None,
        contradictions: Literal["refuse", "widen"] = "refuse",
        drift: Literal["remove", "keep"] = "remove",
    ) -> Self:
        """Merge rows that are already read, a run's in order; raises as :meth:`load` does."""
        kept = [row for row in rows if not where or _fits(row.conditions, where)]
        conditions = _the_conditions(kept, name)
        even = without_drift(kept) if drift == "remove" else DriftFree(tuple(kept), 0.0)
        by_key: dict[str, list[Row]] = defaultdict(list)
        for row in even.rows:
            by_key[row.key].append(row)
        found = tuple(c for c in map(_contradiction, by_key.values()) if c is not None)
        if found and contradictions == "refuse":
            raise WalkbenchError(
                f"table {name} contradicts itself on {len(found)} keys by more than "
                f"{CONTRADICTION - 1:.0%}, first {found[0]}; measure them again, leave a run out, "
                "or accept wider intervals with --allow-contradictions"
            )
        entries, networks = {}, []
        for key, group in by_key.items():
            if group[0].is_network:
                spec = network_from_json(group[0].spec)
                networks.append(NetworkEntry(spec, *_pool(group)))
            else:
                entries[parse_key(key)] = _entry(group)
        return cls(name, conditions, entries, tuple(networks), found, even.drift)

    @property
    def device(self) -> str:
        """Device that was measured."""
        return self.conditions.device

    @cached_property
    def floor_ms(self) -> float:
        """Price of one call: the median over blocks, added once to every network."""
        return statistics.median(e.floor_ms for e in self.entries.values()) if self.entries else 0.0

    @cached_property
    def revision(self) -> str:
        """Digest of what the table says: conditions, entries, whole networks."""
        entries = (f"{e.key} {e.ms!r} {e.deviation_ms!r} {e.floor_ms!r}" for e in self._sorted())
        networks = (f"{n.spec.digest()} {n.ms!r} {n.deviation_ms!r}" for n in self.networks)
        return revision_of((repr(self.conditions), *entries, *sorted(networks)))

    def _sorted(self) -> list[Entry]:
        return sorted(self.entries.values(), key=lambda entry: entry.key)


def _fits(conditions: MeasuringConditions, where: Mapping[str, str]) -> bool:
    values = dataclasses.asdict(conditions)
    unknown = sorted(set(where) - set(values))
    if unknown:
        raise WalkbenchError(
            f"a table has no condition {unknown[0]!r}; conditions: {', '.join(values)}"
        )
    return all(str(values[name]) == str(value) for name, value in where.items())


def _the_conditions(rows: Sequence[Row], name: str) -> MeasuringConditions:
    distinct = list(dict.fromkeys(row.conditions for row in rows))
    if not distinct:
        raise WalkbenchError(f"table {name} has no rows under these conditions; leave some out")
    if len(distinct) > 1:
        first, *others = [dataclasses.asdict(c) for c in distinct]
        differ = [k for k in first if any(other[k] != first[k] for other in others)]
        values = "; ".join(
            f"{k}: {', '.join(dict.fromkeys(str(c[k]) for c in (first, *others)))}" for k in differ
        )
        raise WalkbenchError(
            f"table {name} mixes conditions that cannot be added up ({values}); pick one, "
            f"for instance --where {differ[0]}={first[differ[0]]!r}"
        )
    return distinct[0]


def _by_run(rows: Iterable[Row]) -> dict[str, float]:
    times: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        times[row.run].append(row.block_ms)
    return {run: statistics.median(values) for run, values in times.items()}


def _contradiction(rows: Sequence[Row]) -> Contradiction | None:
    runs = _by_run(rows)
    if len(runs) < 2 or max(runs.values()) <= CONTRADICTION * max(min(runs.values()), 0.0):
        return None
    return Contradiction(rows[0].key, runs)


def _pool(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the median over rows and its standard error, from their spread or their own."""
    values = [row.block_ms for row in rows]
    median = max(statistics.median(values), 0.0)
    spread = statistics.median(abs(value - median) for value in values)
    error = MEDIAN_OVER_MEAN * MAD_TO_DEVIATION * spread / len(values) ** 0.5
    own = statistics.median(map(_deviation, rows)) / len(values) ** 0.5
    runs = _by_run(rows).values()
    if max(runs) > CONTRADICTION * max(min(runs), 0.0):
        error = max(error, (max(runs) - min(runs)) / 2)
    return median, max(error, own)


def _deviation(row: Row) -> float:
    """The standard error that a row's own samples give."""
    if row.slope_low_ms is not None and row.slope_high_ms is not None:
        return (row.slope_high_ms - row.slope_low_ms) / 2 / NORMAL_QUANTILE
    spread = (row.p90_ms - row.p10_ms) / 2 / NORMAL_QUANTILE
    return float(MEDIAN_OVER_MEAN * spread / row.n**0.5)


def _entry(rows: Sequence[Row]) -> Entry:
    ms, deviation = _pool(rows)
    return Entry(
        key=rows[0].key,
        ms=ms,
        deviation_ms=deviation,
        floor_ms=statistics.median(row.floor_ms for row in rows),
        n=sum(row.n for row in rows),
        units_planned=", ".join(dict.fromkeys(row.units_planned for row in rows)),
    )
