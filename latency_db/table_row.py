"""One line of a latency table: what was timed, how, on what, and a checksum over all of it.

A row is one visit to one block (or one whole network) in one pass of one run. It keeps every
sample, with outliers marked by a star and not removed, so that a table can be judged again later
without measuring again.

A block is timed as a graph of N1 copies and a graph of N2 copies. ``median_ms`` is what a stopwatch
says of the small graph, per copy; ``slope_ms`` is (t(N2) - t(N1)) / (N2 - N1), in which the fixed
price of a call has cancelled. A whole network is timed as it is and has no slope.

>>> row = Row.of("conv_in in_channels=4 out_channels=64 size=32", MeasuringConditions("a phone"),
...              {1: [1.5, 1.4, 1.6], 4: [4.5, 4.4, 4.6]}, run="demo")
>>> row.slope_ms, row.floor_ms
(1.0, 0.5)
>>> parse_row(row.cells(), where="row 2") == row
True
"""

import dataclasses
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Self

import numpy as np

from latency_db.table_samples import outliers, paired_slope, write_samples
from search_space.blocks import Block, parse_key
from search_space.errors import WalkbenchError
from search_space.network import Network

NOT_RECORDED = "not recorded"  # a condition nobody wrote down
NETWORK = "network"  # the kind of a row that times a whole network


@dataclass(frozen=True)
class MeasuringConditions:
    """Everything that must be equal before two times may be compared."""

    device: str
    os: str = ""
    runtime: str = ""
    units_asked: str = "cpu"
    precision: str = "fp32"
    threads: int = 1
    batch: int = 1
    options: str = ""
    versions: str = ""


@dataclass(frozen=True)
class Row:
    """One line of a table; see the module for what the times mean."""

    key: str
    median_ms: float
    p10_ms: float
    p90_ms: float
    n: int
    outliers: int
    slope_ms: float | None
    slope_low_ms: float | None
    slope_high_ms: float | None
    conditions: MeasuringConditions
    units_planned: str
    date: str
    run: str
    pass_number: int
    spec: str  # JSON of the network, empty for a block
    samples: str  # "1: 0.51 0.52 0.60* | 4: 1.98 …", milliseconds per run

    @classmethod
    def of(
        cls,
        key: str,
        conditions: MeasuringConditions,
        samples: Mapping[int, Sequence[float]],
        *,
        run: str,
        pass_number: int = 0,
        units_planned: str = "",
        spec: str = "",
        date: str | None = None,
    ) -> Self:
        """Summarise ``samples``, milliseconds per run of graphs with so many copies.

        Samples at one place of the lists were taken one after another, so slopes are taken pair by
        pair: what slowed the machine in between slowed both.
        """
        first, *others = sorted(samples)
        per_copy = np.asarray(samples[first], dtype=float) / first
        p10, median, p90 = (float(f"{q:.6g}") for q in np.quantile(per_copy, [0.1, 0.5, 0.9]))
        marked = {copies: outliers(times) for copies, times in samples.items()}
        slope: tuple[float, float, float] | tuple[None, None, None] = (None, None, None)
        if others:
            slope = paired_slope(first, others[-1], samples)
        return cls(
            key=key,
            median_ms=median,
            p10_ms=p10,
            p90_ms=p90,
            n=len(per_copy),
            outliers=int(sum(flags.sum() for flags in marked.values())),
            slope_ms=slope[0],
            slope_low_ms=slope[1],
            slope_high_ms=slope[2],
            conditions=conditions,
            units_planned=units_planned or conditions.units_asked,
            date=date or datetime.now(UTC).isoformat(timespec="seconds"),
            run=run,
            pass_number=pass_number,
            spec=spec,
            samples=write_samples(samples, marked),
        )

    @property
    def is_network(self) -> bool:
        """Whether the row times a whole network."""
        return self.key.split()[0] == NETWORK

    @property
    def block(self) -> Block:
        """The block that was timed."""
        return parse_key(self.key)

    @property
    def copies(self) -> int:
        """Copies in the smaller graph, N1."""
        return int(self.samples.partition(":")[0])

    @property
    def floor_ms(self) -> float:
        """What a call costs beyond its blocks: t(N1) - N1 × slope, never below zero."""
        if self.slope_ms is None:
            return 0.0
        return max(0.0, float(f"{self.copies * (self.median_ms - self.slope_ms):.6g}"))

    @property
    def block_ms(self) -> float:
        """The block's own time: the slope where there is one, else the median."""
        return self.median_ms if self.slope_ms is None else self.slope_ms

    def cells(self) -> dict[str, str]:
        """Return the row as text by column, checksum last."""
        values: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "conditions":
                values |= dataclasses.asdict(value)
            else:
                values[field.name] = value
        cells = {name: _text(values[name]) for name in COLUMNS[:-1]}
        return {**cells, "check": checksum(cells)}


COLUMNS = (
    "key",
    "median_ms",
    "p10_ms",
    "p90_ms",
    "n",
    "outliers",
    "slope_ms",
    "slope_low_ms",
    "slope_high_ms",
    *(field.name for field in dataclasses.fields(MeasuringConditions)),
    "units_planned",
    "date",
    "run",
    "pass_number",
    "spec",
    "samples",
    "check",
)


def network_key(network: Network) -> str:
    """Return the key under which a table keeps the time of a whole network.

    ``size`` is the height of its first input, the latents of a UNet.
    """
    _, first = network.plan().inputs[0]
    return f"{NETWORK} digest={network.digest()} size={first.shape[-1]}"


def checksum(cells: Mapping[str, str]) -> str:
    """Return eight hex digits over every column but the checksum itself."""
    text = "\x1f".join(cells[name] for name in COLUMNS[:-1])
    return f"{zlib.crc32(text.encode()):08x}"


def parse_row(cells: Mapping[str, str | None], where: str) -> Row:
    """Read a row; raises :class:`WalkbenchError` naming ``where``, the key and what is wrong."""
    named = f"{where} ({(cells.get('key') or 'no key')[:80]})"
    missing = [name for name in COLUMNS if cells.get(name) is None]
    if missing:
        raise WalkbenchError(f"{named} has no {missing[0]}; the line is cut or lacks a column")
    text = {name: cells[name] or "" for name in COLUMNS}
    if text["check"] != checksum(text):
        raise WalkbenchError(
            f"{named} fails its checksum: it was edited or damaged; delete the line and measure "
            "again with --resume, or bring outside figures in with `walkbench latency import`"
        )
    row = _read(text, named)
    check_times(row, named)
    return row


def check_times(row: Row, where: str) -> None:
    """Raise :class:`WalkbenchError` unless the times are positive, finite and in order."""
    times = {"median_ms": row.median_ms, "p10_ms": row.p10_ms, "p90_ms": row.p90_ms}
    for name, value in times.items():
        if not 0 < value < math.inf:
            raise WalkbenchError(f"{where}: {name} is {value:g}; a positive number is needed")
    if not row.p10_ms <= row.median_ms <= row.p90_ms:
        raise WalkbenchError(
            f"{where}: p10 {row.p10_ms:g}, median {row.median_ms:g} and p90 {row.p90_ms:g} ms "
            "are out of order"
        )
    if row.n < 1:
        raise WalkbenchError(f"{where}: n is {row.n}; at least one sample is needed")
    slopes = (row.slope_low_ms, row.slope_ms, row.slope_high_ms)
    if any(value is not None and not math.isfinite(value) for value in slopes):
        raise WalkbenchError(f"{where}: a slope is not a number")


def _read(text: Mapping[str, str], where: str) -> Row:
    """Cells to values, with the key checked against the kinds of block there are."""
    values: dict[str, Any] = {}
    for field in (*dataclasses.fields(Row), *dataclasses.fields(MeasuringConditions)):
        if field.name == "conditions":
            continue
        raw = text[field.name]
        try:
            values[field.name] = _value(field.type, raw)
        except ValueError:
            raise WalkbenchError(f"{where}: {field.name} is {raw!r}; a number is needed") from None
    conditions = {f.name: values.pop(f.name) for f in dataclasses.fields(MeasuringConditions)}
    row = Row(conditions=MeasuringConditions(**conditions), **values)
    if not row.is_network:
        try:
            _known(row.key)
        except WalkbenchError as error:
            raise WalkbenchError(f"{where}: {error}") from None
    return row


# A table repeats its keys once per pass, and reading a key costs more than reading its row.
_known = lru_cache(maxsize=4096)(parse_key)


def _value(kind: Any, raw: str) -> Any:
    if kind is int:
        return int(raw)
    if kind is str:
        return raw
    if kind is float:
        return float(raw)
    return None if raw == "" else float(raw)  # float | None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
