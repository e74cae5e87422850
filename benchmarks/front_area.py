"""The area that a front of two minimised objectives dominates, for comparisons of searches.

By numpy alone, since the comparisons also run where other search libraries are installed.

>>> area(np.array([[1.0, 3.0], [2.0, 1.0], [3.0, 3.0]]), np.array([4.0, 4.0]))
7.0
"""

import numpy as np


def area(points: np.ndarray, reference: np.ndarray) -> float:
    """Return the area between ``points`` (N, 2) and ``reference`` (2,)."""
    inside = points[(points < reference).all(axis=1)]
    total, ceiling = 0.0, reference[1]
    for x, y in inside[np.lexsort((inside[:, 1], inside[:, 0]))]:
        if y < ceiling:
            total, ceiling = total + (reference[0] - x) * (ceiling - y), y
    return float(total)
