"""`predict(spec, table)`: the latency of a network as the sum of its measured blocks.

A transformer stack is its projections and ``depth`` times one layer, as everywhere
(:meth:`search_space.block.Block.parts`). What a table lacks is an error that names the nearest
measured keys, unless the caller asks for something else: an interpolation between the table's own
entries, or an estimate of the block. Either is flagged, by ``coverage`` below 1 and ``source``
"mixed", and widens the interval.

Sums are kept per plan segment on the table: candidates of a search share most of theirs.

>>> from latency_db.table import Table
>>> from latency_db.table_row import Conditions, Row
>>> from search_space.presets import named_spec
>>> spec = named_spec("sd15")
>>> rows = [Row.of(block.key, Conditions("cpu"), {1: [1.5], 4: [4.5]}, run="a")
...         for block, _ in plan(spec).blocks()]
>>> latency = predict(spec, Table.of(rows, "demo"))
>>> latency.ms, latency.coverage, latency.source  # 63 blocks of 1 ms, and 0.5 ms for the call
(63.5, 1.0, 'measured')
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from latency_db.latency import Latency, Source
from latency_db.table import Entry, Table
from latency_db.table_interpolation import interpolate, nearest
from latency_db.table_samples import NORMAL_QUANTILE
from search_space.block import Block
from search_space.errors import WalkbenchError
from search_space.plan import Segment, plan
from search_space.spec import UNetSpec

BlockEstimate = Callable[[Block], Latency]
Missing = Literal["error", "interpolate"] | BlockEstimate

# Relative half-width of the interval of an uncorrected sum, on a device whose table holds too few
# whole networks to tell: what nine of ten networks stayed within on the one processor where whole
# networks were measured, in the worst of three measurements of five passes, as many as `measure`
# makes unless told otherwise (passes_*_to_* in benchmarks/results/latency_sum.json).
UNCHECKED_SPREAD = 0.065


class MissingEntry(WalkbenchError):
    """A block that a table does not hold."""


@dataclass(frozen=True)
class _Sum:
    """Blocks added up: milliseconds, squared deviations, the measured share of the milliseconds.

    ``doubt_ms`` is the half-width of what is not measured, added up as if all erred one way:
    guesses at similar blocks err together.
    """

    ms: float
    variance: float
    measured_ms: float
    doubt_ms: float


def predict(spec: UNetSpec, table: Table, missing: Missing = "error") -> Latency:
    """Return the latency of one forward pass of ``spec`` on the table's device.

    ``missing`` says what to do about blocks the table lacks: raise :class:`MissingEntry`,
    interpolate, or ask a function for an estimate of the block.
    """
    total = _add_up(spec, table, missing)
    correction = table.correction
    if correction is None:
        ms, scale, spread = table.floor_ms + total.ms, 1.0, UNCHECKED_SPREAD
    else:
        ms = correction.apply(table.floor_ms + total.ms)
        scale, spread = correction.scale, correction.spread
    random = NORMAL_QUANTILE * scale * math.sqrt(total.variance)
    half = math.hypot(random, spread * ms) + scale * total.doubt_ms
    coverage = min(total.measured_ms / total.ms, 1.0) if total.ms else 1.0
    source: Source = "mixed"
    if total.doubt_ms == 0:
        coverage, source = 1.0, "measured"
    elif total.measured_ms == 0:
        source = "estimated"
    return Latency(ms, max(ms - half, 0.1 * ms), ms + half, coverage, source)


def block_sum(spec: UNetSpec, table: Table) -> float | None:
    """Return the uncorrected sum with the price of one call, None where a block is missing."""
    try:
        return table.floor_ms + _add_up(spec, table, "error").ms
    except MissingEntry:
        return None


def missing_blocks(spec: UNetSpec, table: Table) -> list[Block]:
    """Return the blocks of ``spec`` that ``table`` lacks, in forward order, each once."""
    return list(dict.fromkeys(b for b, _ in plan(spec).blocks() if b not in table.entries))


def _add_up(spec: UNetSpec, table: Table, missing: Missing) -> _Sum:
    cache = table.segments.setdefault(missing, {})
    ms = variance = measured = doubt = 0.0
    for segment in plan(spec).segments:
        part = cache.get(segment)
        if part is None:
            part = cache[segment] = _segment(segment, table, missing)
        ms += part.ms
        variance += part.variance
        measured += part.measured_ms
        doubt += part.doubt_ms
    return _Sum(ms, variance, measured, doubt)


def _segment(segment: Segment, table: Table, missing: Missing) -> _Sum:
    ms = variance = measured = doubt = 0.0
    for step in segment.steps:
        for block, count in step.block.parts():
            entry = table.entries.get(block)
            if entry is not None:
                ms += count * entry.ms
                measured += count * entry.ms
                variance += (count * entry.deviation_ms) ** 2
            else:
                guess = _guess(block, table, missing)
                ms += count * guess.ms
                doubt += count * max(guess.high - guess.ms, guess.ms - guess.low)
    return _Sum(ms, variance, measured, doubt)


def _guess(block: Block, table: Table, missing: Missing) -> Latency:
    if missing == "interpolate":
        return interpolate(block, table.entries)
    if callable(missing):
        return missing(block)
    near = "; ".join(entry.key for entry in _nearest_entries(block, table))
    hint = f"nearest measured: {near}" if near else f"no {block.kind} was measured"
    raise MissingEntry(
        f"table {table.name} has no entry for {block.key!r}; {hint}; measure it with "
        "`walkbench latency measure --resume`, or accept --missing interpolate or estimate"
    )


def _nearest_entries(block: Block, table: Table) -> list[Entry]:
    return [table.entries[near] for near in nearest(block, table.entries, 3)]
