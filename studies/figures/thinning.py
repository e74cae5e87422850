"""Which points of a large cloud to draw, so that the picture is the same and a browser keeps up.

>>> x = np.linspace(0.0, 1.0, 100_000)
>>> kept = thinned(x, x, 1_000)
>>> 20 < len(kept) <= 1_000
True
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def thinned(x: Floats, y: Floats, most: int) -> NDArray[np.int64]:
    """Return the places of at most ``most`` points, one for each cell of a grid that has any."""
    if len(x) <= most:
        return np.arange(len(x))
    side = int(np.sqrt(most))
    cell = _cells(x, side) * side + _cells(y, side)
    _, first = np.unique(cell, return_index=True)
    return np.sort(first)


def _cells(values: Floats, count: int) -> NDArray[np.int64]:
    """Return the cell of each value among ``count``; the outermost hundredths share the ends."""
    low, high = np.quantile(values, (0.005, 0.995))
    span = (high - low) or 1.0
    cells: NDArray[np.int64] = np.clip((values - low) / span * count, 0, count - 1).astype(np.int64)
    return cells
