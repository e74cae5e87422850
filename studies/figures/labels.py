"""Places the names of points so that they cover neither each other nor the points.

Greedy: names are placed one by one, in order, each at the free spot around its point that overlaps
least with what is there already. Good enough for the dozen named designs of a plot.

>>> spots = place_labels([(0.5, 0.5), (0.5, 0.52)], ["one", "two"], size=(600, 400))
>>> spots[0] != spots[1]
True
"""

import math
from collections.abc import Sequence

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, bottom, right, top, in pixels

CHARACTER = 7.0  # pixels of an average character of 12 px type
LINE = 16.0
MARKER = 9.0  # half of the space a marker takes

_REACH = (14.0, 24.0, 36.0, 50.0, 66.0, 84.0, 104.0)  # pixels from a point to its label's edge
_TURNS = 16


def place_labels(
    places: Sequence[Point], texts: Sequence[str], size: Point, others: Sequence[Point] = ()
) -> list[Point]:
    """Return for each text the offset (right, up) in pixels of its middle from its point.

    ``places`` and ``others`` are points as shares of the plot, from its lower left corner; ``size``
    is the plot's width and height in pixels. ``others`` have no label but must stay visible.
    """
    points = [(x * size[0], y * size[1]) for x, y in (*places, *others)]
    taken = [(x - MARKER, y - MARKER, x + MARKER, y + MARKER) for x, y in points]
    offsets = []
    for (x, y), text in zip(points, texts, strict=False):
        width = len(text) * CHARACTER + 6
        best = min(_spots(width), key=lambda spot: _badness(x, y, spot, width, taken, size))
        offsets.append(best)
        taken.append(_box(x + best[0], y + best[1], width))
    return offsets


def _spots(width: float) -> list[Point]:
    """Offsets of a label's middle, nearest first, all around its point."""
    angles = [2 * math.pi * turn / _TURNS for turn in range(_TURNS)]
    return [
        ((reach + width / 2) * math.cos(angle), (reach + LINE / 2) * math.sin(angle))
        for reach in _REACH
        for angle in angles
    ]


def _box(x: float, y: float, width: float) -> Box:
    return x - width / 2, y - LINE / 2, x + width / 2, y + LINE / 2


def _badness(
    x: float, y: float, spot: Point, width: float, taken: Sequence[Box], size: Point
) -> float:
    """Overlap in square pixels, plus what lies outside the plot, plus a little for distance."""
    left, bottom, right, top = box = _box(x + spot[0], y + spot[1], width)
    covered = sum(_overlap(box, other) for other in taken)
    outside = max(0.0, -left) + max(0.0, right - size[0])
    outside += max(0.0, -bottom) + max(0.0, top - size[1])
    away = max(0.0, abs(spot[0]) - width / 2) + abs(spot[1])
    return 4 * covered + 50 * outside + away


def _overlap(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)
