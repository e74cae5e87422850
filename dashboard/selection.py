"""What is selected in a cloud: a box or a lasso, as rows of the study's table.

The rows are found among all trials, drawn or not. A box is text in the page's address.

>>> parse_region("10, 20, 0.1, 0.2")
(10.0, 20.0, 0.1, 0.2)
>>> rows_in(np.array([12.0, 30.0]), np.array([0.15, 0.15]), (10, 20, 0.1, 0.2), []).tolist()
[0]
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Region = tuple[float, float, float, float]  # x from, x to, y from, y to
Floats = NDArray[np.float64]


def written_region(x: Sequence[float], y: Sequence[float]) -> str:
    """Write a box as text."""
    return ", ".join(f"{value:.6g}" for value in (min(x), max(x), min(y), max(y)))


def parse_region(text: str) -> Region | None:
    """Read a box from text, None from an empty one; raises ValueError for anything else."""
    if not text.strip():
        return None
    try:
        x_low, x_high, y_low, y_high = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"a region is four numbers with commas (x from, x to, y from, y to), not {text[:60]!r}"
        ) from None
    if not all(map(math.isfinite, (x_low, x_high, y_low, y_high))):
        raise ValueError("the edges of a region are finite numbers")
    return x_low, x_high, y_low, y_high


def rows_in(
    x: Floats, y: Floats, region: Region | None, lassos: Sequence[Mapping[str, Any]]
) -> NDArray[np.int64]:
    """Return the rows in the ``region`` or in one of ``lassos``, polygons of lists x and y."""
    found = np.zeros(len(x), dtype=bool)
    if region is not None and not lassos:
        found = (x >= region[0]) & (x <= region[1]) & (y >= region[2]) & (y <= region[3])
    for lasso in lassos:
        found |= _inside(x, y, np.array(lasso["x"], dtype=float), np.array(lasso["y"], dtype=float))
    return np.flatnonzero(found)


def _inside(x: Floats, y: Floats, corners_x: Floats, corners_y: Floats) -> NDArray[np.bool_]:
    """Whether a ray from each point crosses the polygon's edges an odd number of times."""
    inside = np.zeros(len(x), dtype=bool)
    last = len(corners_x) - 1
    for this in range(len(corners_x)):
        ax, ay, bx, by = corners_x[this], corners_y[this], corners_x[last], corners_y[last]
        last = this
        if ay == by:
            continue
        crosses = (ay > y) != (by > y)
        inside ^= crosses & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return inside
