"""Screening designs: every run serves every factor, so that effects of a percent need few runs.

A Plackett–Burman design of 12 runs has eleven columns of plus and minus, each balanced against
every other. Run again with all signs reversed (a fold-over), main effects are free of the
effects of pairs.

>>> matrix = folded_plackett_burman(11)
>>> matrix.shape, bool((matrix.T @ matrix == 24 * np.eye(11)).all())
((24, 11), True)
>>> found = effects(matrix, matrix[:, 3] * 0.5)
>>> round(found[3][0], 6), round(found[0][0], 6)
(1.0, 0.0)
"""

import numpy as np
from numpy.typing import NDArray

_GENERATOR = (1, 1, -1, 1, 1, 1, -1, -1, -1, 1, -1)  # Plackett & Burman 1946, 12 runs


def folded_plackett_burman(factors: int) -> NDArray[np.int64]:
    """Return the signs (24, ``factors``) of each factor in each run, for at most 11 factors."""
    assert 1 <= factors <= len(_GENERATOR)
    rows = [np.roll(_GENERATOR, shift) for shift in range(len(_GENERATOR))]
    half = np.array([*rows, [-1] * len(_GENERATOR)])
    return np.vstack([half, -half])[:, :factors]


def effects(signs: NDArray[np.int64], response: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return effect and standard error of every factor: the mean at plus minus that at minus.

    The error is that of what all effects together leave unexplained: noise of the runs, and what
    depends on more than one factor.
    """
    runs, factors = signs.shape
    found = 2 * signs.T @ response / runs  # (factors,)
    left = response - response.mean() - signs @ found / 2
    variance = (left**2).sum() / (runs - factors - 1)
    error = 2 * np.sqrt(variance / runs)
    return [(float(effect), float(error)) for effect in found]
