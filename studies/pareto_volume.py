"""The volume that points dominate, exactly, for any number of objectives.

>>> hypervolume([(0.30, 90.0), (0.25, 120.0)], (0.5, 200.0))
26.0
"""

from collections.abc import Iterable

Point = tuple[float, ...]


def dominates(a: Point, b: Point) -> bool:
    """Whether ``a`` is nowhere worse than ``b`` and somewhere better."""
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


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
