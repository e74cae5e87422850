"""Feasibility, dominance, fronts and hypervolume: decided here, and nowhere else.

Command line, dashboard and export all ask these functions, so that a design is on the front
everywhere or nowhere. Points are oriented: less is better on every axis, a maximised metric is
negated (:meth:`studies.metric.Metric.oriented`).

A record counts only when its trial completed and every budget of its study is known to be kept: a
trial whose constraints are missing is *not* feasible here, although Optuna would call it so.

Losses of several rungs do not compare. Where an objective is trained, only records of the highest
rung that any has reached stand on a front.

>>> records = [
...     TrialRecord(t, "COMPLETE", feasible=ok, values={"proxy_loss": loss, "latency_ms": ms})
...     for t, ok, loss, ms in [
...         (0, True, 0.30, 90.0), (1, True, 0.25, 120.0), (2, True, 0.31, 95.0),
...         (3, False, 0.10, 50.0),
...     ]
... ]
>>> [record.number for record in front(records, ("proxy_loss", "latency_ms"))]
[1, 0]
>>> hypervolume([(0.30, 90.0), (0.25, 120.0)], (0.5, 200.0))
26.0
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from studies.dominance import undominated, volume_history
from studies.metrics import known
from studies.pareto_volume import Point, dominates, hypervolume
from studies.records import TrialRecord

__all__ = [
    "Point", "counts", "distinct", "dominates", "feasible", "front", "hypervolume",
    "hypervolume_history", "knee", "oriented", "point", "reference_point",
]  # fmt: skip


def feasible(constraints: Mapping[str, float], budgets: Iterable[str]) -> bool | None:
    """Say whether every one of ``budgets`` is kept; None when one of them was never checked."""
    names = tuple(budgets)
    if any(constraints[name] > 0 for name in names if name in constraints):
        return False
    return True if all(name in constraints for name in names) else None


def oriented(values: Sequence[float], names: Sequence[str]) -> Point:
    """Turn values into a point, or a point back into values; an unknown metric is minimised."""
    return tuple(
        metric.oriented(value) if (metric := known(name)) else value
        for name, value in zip(names, values, strict=True)
    )


def point(record: TrialRecord, objectives: Sequence[str]) -> Point | None:
    """Return the record's place in the space of ``objectives``, None where one is missing."""
    values = [record.value(name) for name in objectives]
    known = [value for value in values if value is not None]
    return oriented(known, objectives) if len(known) == len(values) else None


def counts(record: TrialRecord) -> bool:
    """Whether a record may stand on a front: completed, and within every budget of its study."""
    return record.state == "COMPLETE" and record.feasible is True


def comparable(records: Iterable[TrialRecord], objectives: Sequence[str]) -> list[TrialRecord]:
    """Return the records that count, those of the highest rung where an objective is trained."""
    found = [record for record in records if counts(record)]
    top = max((record.rung for record in found), default=0)
    is_any = not any(map(is_trained, objectives))
    return [record for record in found if is_any or record.rung == top]


def is_trained(name: str) -> bool:
    """Whether ``name`` is a metric that training gives, whose values compare within a rung only."""
    metric = known(name)
    return metric is not None and metric.stage == "trained"


def highest(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the records without those whose design completed a higher rung, in their order."""
    listed = list(records)
    reached: dict[str | None, int] = {}
    for record in listed:
        if record.state == "COMPLETE":
            reached[record.digest] = max(record.rung, reached.get(record.digest, 0))
    return [r for r in listed if r.digest is None or r.rung >= reached.get(r.digest, 0)]


def front(records: Iterable[TrialRecord], objectives: Sequence[str]) -> list[TrialRecord]:
    """Return the comparable records that no other one dominates, ordered by their values.

    Equal points do not dominate each other and all stay; :func:`distinct` keeps one of each design.
    """
    compared = comparable(records, objectives)
    placed = [(p, record) for record in compared if (p := point(record, objectives))]
    if not placed:
        return []
    kept = undominated(np.array([p for p, _ in placed], dtype=float))
    best = [pair for pair, stays in zip(placed, kept, strict=True) if stays]
    return [record for p, record in sorted(best, key=lambda pair: (pair[0], pair[1].number))]


def distinct(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the first record of each design, in the order given."""
    seen: dict[str | None, TrialRecord] = {}
    for record in records:
        seen.setdefault(record.digest, record)
    return list(seen.values())


def knee(records: Iterable[TrialRecord], objectives: Sequence[str]) -> TrialRecord | None:
    """Return the front's record nearest to the best of everything, None where the front is empty.

    Each objective is scaled to its range over the front. It is one way to take a single design when
    nobody says which objective matters more; on a tie the first in the front's order wins.
    """
    best = front(records, objectives)
    points = [p for record in best if (p := point(record, objectives))]
    if not points:
        return None
    low = [min(column) for column in zip(*points, strict=True)]
    span = [max(column) - min(column) or 1.0 for column in zip(*points, strict=True)]

    def distance(p: Point) -> float:
        return math.hypot(*((x - a) / s for x, a, s in zip(p, low, span, strict=True)))

    return min(zip(points, best, strict=True), key=lambda pair: distance(pair[0]))[1]


def reference_point(
    records: Iterable[TrialRecord], objectives: Sequence[str], margin: float = 0.1
) -> Point:
    """Return the worst of each objective among comparable records, and ``margin`` beyond it.

    Hypervolumes compare only at one reference point: take it once, over all records to be compared.
    Empty when no record counts.
    """
    compared = comparable(records, objectives)
    points = [p for record in compared if (p := point(record, objectives))]
    worst = [max(column) for column in zip(*points, strict=True)]
    return tuple(x * (1 + margin if x >= 0 else 1 - margin) for x in worst)


def hypervolume_history(records: Sequence[TrialRecord], objectives: Sequence[str]) -> list[float]:
    """Return the hypervolume after each record, at the reference point of all of them."""
    reference = reference_point(records, objectives)
    if not reference:
        return [0.0] * len(records)
    missing = (math.nan,) * len(objectives)
    compared = {record.number for record in comparable(records, objectives)}
    points = [r.number in compared and point(r, objectives) for r in records]
    history: list[float] = volume_history(
        np.array([p or missing for p in points], dtype=float), reference
    ).tolist()
    return history
