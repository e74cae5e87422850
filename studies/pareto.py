"""Feasibility, dominance, fronts and hypervolume: decided here, and nowhere else.

Command line, dashboard and export all work on the rows of :func:`studies.store.rows` and ask these
functions, so that a design is on the front everywhere or nowhere. Every metric is minimised.

A row counts only when its trial completed and every budget of its study is known to be kept: a
trial whose constraints are missing is *not* feasible here, although Optuna would call it so.

>>> rows = [
...     {"trial": t, "state": "COMPLETE", "feasible": ok,
...      "values": {"proxy_loss": loss, "latency_ms": ms}}
...     for t, ok, loss, ms in [
...         (0, True, 0.30, 90.0), (1, True, 0.25, 120.0), (2, True, 0.31, 95.0),
...         (3, False, 0.10, 50.0),
...     ]
... ]
>>> [row["trial"] for row in front(rows, ("proxy_loss", "latency_ms"))]
[1, 0]
>>> hypervolume([(0.30, 90.0), (0.25, 120.0)], (0.5, 200.0))
26.0
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Point = tuple[float, ...]

OBJECTIVES = ("proxy_loss", "latency_ms", "params", "macs")
BUDGETS = ("latency_ms", "params", "macs")


def violation(value: float, limit: float) -> float:
    """Return how far ``value`` exceeds its budget as a share of it; at most 0 when it is kept."""
    return value / limit - 1.0


def feasible(constraints: Mapping[str, float], budgets: Iterable[str]) -> bool | None:
    """Say whether every one of ``budgets`` is kept; None when one of them was never checked."""
    names = tuple(budgets)
    if any(constraints[name] > 0 for name in names if name in constraints):
        return False
    return True if all(name in constraints for name in names) else None


def metric(row: Row, name: str) -> float | None:
    """Return one of :data:`OBJECTIVES` of a row, whether or not its study minimises it.

    None where the trial has none: a candidate over budget was not trained, a failed one neither.
    """
    value = row.get("values", {}).get(name)
    if value is None:
        part, key = {
            "proxy_loss": ("score", "value"),
            "latency_ms": ("latency", "ms"),
        }.get(name, ("cost", name))
        value = (row.get(part) or {}).get(key)
    return None if value is None else float(value)


def point(row: Row, objectives: Sequence[str]) -> Point | None:
    """Return the row's place in the space of ``objectives``, None where one is missing."""
    values = [metric(row, name) for name in objectives]
    known = [value for value in values if value is not None]
    return tuple(known) if len(known) == len(values) else None


def counts(row: Row) -> bool:
    """Whether a row may stand on a front: completed, and within every budget of its study."""
    return row["state"] == "COMPLETE" and row["feasible"] is True


def dominates(a: Point, b: Point) -> bool:
    """Whether ``a`` is nowhere worse than ``b`` and somewhere better."""
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


def front(rows: Iterable[Row], objectives: Sequence[str]) -> list[Row]:
    """Return the rows that count and that no other one dominates, ordered by their values.

    Equal points do not dominate each other and all stay; :func:`distinct` keeps one of each design.
    """
    placed = [(p, row) for row in rows if counts(row) and (p := point(row, objectives))]
    points = {p for p, _ in placed}
    kept = {p for p in points if not any(dominates(q, p) for q in points)}
    best = [(p, row) for p, row in placed if p in kept]
    return [row for p, row in sorted(best, key=lambda pair: (pair[0], pair[1]["trial"]))]


def distinct(rows: Iterable[Row]) -> list[Row]:
    """Return the first row of each design, in the order given."""
    seen: dict[Any, Row] = {}
    for row in rows:
        seen.setdefault(row["digest"], row)
    return list(seen.values())


def knee(rows: Iterable[Row], objectives: Sequence[str]) -> Row | None:
    """Return the front's row nearest to the best of everything, None where the front is empty.

    Each objective is scaled to its range over the front. It is one way to take a single design when
    nobody says which objective matters more; on a tie the first in the front's order wins.
    """
    best = front(rows, objectives)
    points = [p for row in best if (p := point(row, objectives))]
    if not points:
        return None
    low = [min(column) for column in zip(*points, strict=True)]
    span = [max(column) - min(column) or 1.0 for column in zip(*points, strict=True)]

    def distance(p: Point) -> float:
        return math.hypot(*((x - a) / s for x, a, s in zip(p, low, span, strict=True)))

    return min(zip(points, best, strict=True), key=lambda pair: distance(pair[0]))[1]


def reference_point(rows: Iterable[Row], objectives: Sequence[str], margin: float = 0.1) -> Point:
    """Return the worst value of each objective among the rows that count, plus ``margin`` of it.

    Hypervolumes compare only at one reference point: take it once, over all rows to be compared.
    Empty when no row counts.
    """
    points = [p for row in rows if counts(row) and (p := point(row, objectives))]
    return tuple(max(column) * (1 + margin) for column in zip(*points, strict=True))


def hypervolume(points: Iterable[Point], reference: Point) -> float:
    """Return the volume that ``points`` dominate up to ``reference``; exact, for any dimension.

    Slices along the last axis down to two, where one sweep does: fine for the hundreds of points
    and two to four objectives of a study.
    """
    inside = {p for p in points if all(x < r for x, r in zip(p, reference, strict=True))}
    if not inside:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(inside)[0]
    if len(reference) == 2:
        return _area(inside, reference)
    inside = {p for p in inside if not any(dominates(q, p) for q in inside)}
    levels = sorted({p[-1] for p in inside})
    total = 0.0
    for low, high in zip(levels, [*levels[1:], reference[-1]], strict=True):
        reaching = [p[:-1] for p in inside if p[-1] <= low]
        total += (high - low) * hypervolume(reaching, reference[:-1])
    return total


def _area(points: Iterable[Point], reference: Point) -> float:
    """Return the area between ``points`` and ``reference``, from left to right, step by step."""
    total, ceiling = 0.0, reference[1]
    for x, y in sorted(points):
        if y < ceiling:
            total += (reference[0] - x) * (ceiling - y)
            ceiling = y
    return total


def hypervolume_history(rows: Sequence[Row], objectives: Sequence[str]) -> list[float]:
    """Return the hypervolume after each row, at the reference point of all of them."""
    reference = reference_point(rows, objectives)
    history: list[float] = []
    best: set[Point] = set()  # dominated points add nothing, so they are dropped at once
    volume = 0.0
    for row in rows:
        p = point(row, objectives) if counts(row) else None
        if p and p not in best and not any(dominates(q, p) for q in best):
            best = {q for q in best if not dominates(p, q)} | {p}
            volume = hypervolume(best, reference)
        history.append(volume)
    return history
