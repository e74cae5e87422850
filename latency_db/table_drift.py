"""Remove the drift of the machine's pace from a run's times, as told by neighbouring visits.

The clock of a machine drifts, and everything that is timed within the same second drifts along: on
a virtual machine by 10 % and more, far above the noise of a single visit. A run that makes several
passes can tell the two apart. Each visit's time is its subject's own times the machine's pace,

    log t(subject, visit) = own(subject) + pace(visit)

``own`` is the median over the subject's visits, ``pace`` the median of what the neighbouring visits
to *other* blocks leave over, so that no visit corrects itself. The pace is shrunk by how well it
predicts blocks: where visits share nothing, nothing is corrected. It is centred on zero, so that a
run keeps its typical speed. With one pass there is nothing to compare, and rows stay as they are.
What recurs at the same place of every pass cannot be told from the blocks that stand there, which
is why a measurement changes the order of its passes.

Whole networks are corrected by the blocks around them and never correct others, so they remain
unseen evidence of how well sums of blocks hold.

>>> from latency_db.table_row import MeasuringConditions, Row
>>> keys = [f"conv_in in_channels=4 out_channels={c} size=32" for c in range(8, 48, 4)]
>>> slow = {0: 1.0, 1: 1.3, 2: 1.0}  # the whole second pass ran on a slower machine
>>> cpu = MeasuringConditions("cpu")
>>> rows = [Row.of(key, cpu, {1: [slow[number] * i]}, run="a", pass_number=number)
...         for number in slow for i, key in enumerate(keys, 1)]
>>> [round(row.median_ms, 2) for row in without_drift(rows).rows if row.key == keys[4]]
[5.0, 5.0, 5.0]
"""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latency_db.table_row import Row

# Visits to blocks on either side that give the pace. Chosen among 1 to 15 by how well times of
# *blocks* are predicted, never by whole networks (benchmarks/latency_sum.py, "drift_windows").
WINDOW = 3
_ROUNDS = 2  # own times and pace by turns; more change nothing
_LARGEST = 0.5  # of log times: a visit that took twice as long says no more than this of the pace

Array = np.ndarray


@dataclass(frozen=True)
class DriftFree:
    """Rows as if the machine had kept its pace, and how far the pace drifted."""

    rows: tuple[Row, ...]
    drift: float  # standard deviation of the removed log pace, 0.1 for 10 %; 0: none


def without_drift(rows: Sequence[Row], window: int = WINDOW) -> DriftFree:
    """Return ``rows`` in their order with each run's drift removed from all their times.

    Rows of one run must stand in the order in which they were measured, as files hold them. Samples
    stay as measured.
    """
    runs: dict[tuple[object, str], list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        runs[row.conditions, row.run].append(i)
    pace = np.zeros(len(rows))
    for places in runs.values():
        pace[places] = pace_of([rows[i] for i in places], window)
    if not pace.any():
        return DriftFree(tuple(rows), 0.0)
    pairs = zip(rows, np.exp(-pace).tolist(), strict=True)
    return DriftFree(tuple(_scaled(row, factor) for row, factor in pairs), float(pace.std()))


def pace_of(rows: Sequence[Row], window: int = WINDOW) -> "Array":
    """Return the logarithm of the machine's pace at each visit of one run, above 0 where slow."""
    blocks = np.array([not row.is_network for row in rows])
    visits: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        if blocks[i]:
            visits[row.key].append(i)
    again = [np.array(places) for places in visits.values() if len(places) > 1]
    pace = np.zeros(len(rows))
    if not again:
        return pace
    witnesses = np.sort(np.concatenate(again))  # visits that can be compared with others like them
    times = np.log([row.median_ms for row in rows])
    near = _neighbours(witnesses, len(rows), window)
    for _ in range(_ROUNDS):
        left = np.zeros(len(rows))
        for places in again:
            known = times[places] - pace[places]
            left[places] = times[places] - np.median(known)
        told = np.append(left, math.nan)[near]  # (visits, 2 × window); the last place is "none"
        middle = np.nan_to_num(np.nanmedian(told, axis=1))
        pace = _share(left[witnesses], middle[witnesses]) * middle
        pace -= np.median(pace[witnesses])
    return pace


def left_over(rows: Sequence[Row], window: int | None) -> float:
    """Return how far visits to blocks lie from what the others predict: mean |log|, one run.

    A visit is predicted by the median of its block's *other* visits and the pace of its neighbours;
    ``window`` None predicts without a pace. This is what :data:`WINDOW` was chosen by.
    """
    times = np.log([row.median_ms for row in rows])
    if window is not None:
        times = times - pace_of(rows, window)
    visits: dict[str, list[float]] = defaultdict(list)
    for row, time in zip(rows, times.tolist(), strict=True):
        if not row.is_network:
            visits[row.key].append(time)
    errors = [
        abs(time - float(np.median(times[:i] + times[i + 1 :])))
        for times in visits.values()
        if len(times) > 1
        for i, time in enumerate(times)
    ]
    return float(np.mean(errors)) if errors else math.nan


def _neighbours(witnesses: "Array", visits: int, window: int) -> "Array":
    """Return the witnesses on either side of each visit, itself left out; -1 beyond the ends."""
    order = np.arange(visits)
    before, after = (np.searchsorted(witnesses, order, side) for side in ("left", "right"))
    steps = np.arange(window)
    at = np.concatenate([before[:, None] - 1 - steps, after[:, None] + steps], axis=1)
    inside = (at >= 0) & (at < len(witnesses))
    return np.where(inside, witnesses[np.clip(at, 0, len(witnesses) - 1)], -1)


def _share(left: "Array", middle: "Array") -> float:
    """Return how much of the neighbours' pace a visit shares, 0 to 1, by least squares."""
    y, x = np.clip(left, -_LARGEST, _LARGEST), np.clip(middle, -_LARGEST, _LARGEST)
    squares = float(x @ x)
    return min(max(float(x @ y) / squares, 0.0), 1.0) if squares > 0 else 0.0


def _scaled(row: Row, factor: float) -> Row:
    """Return the row as it would have been at the run's typical pace."""
    slopes = (row.slope_ms, row.slope_low_ms, row.slope_high_ms)
    slope, low, high = (None if value is None else value * factor for value in slopes)
    return dataclasses.replace(
        row,
        median_ms=row.median_ms * factor,
        p10_ms=row.p10_ms * factor,
        p90_ms=row.p90_ms * factor,
        slope_ms=slope,
        slope_low_ms=low,
        slope_high_ms=high,
    )
