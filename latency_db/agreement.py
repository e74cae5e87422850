"""Rank agreement of two lists of numbers, with intervals over resamples.

Sums of blocks against whole networks, short training against long: both ask the same question.
Spearman and Kendall (tau-b); an interval is percentiles of resamples, the same ones for every
quantity, so that differences are compared pair by pair. Infinities are ranks like any other.

>>> truth = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
>>> round(spearman(truth, truth), 9), round(spearman(np.array([2.0, 1.0, 3.0, 5.0, 4.0]), truth), 2)
(1.0, 0.9)
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Values = NDArray[np.float64]
Draws = NDArray[np.intp]  # places drawn with replacement
Statistic = Callable[[Draws], float]

RESAMPLES = 2000
INTERVAL = (0.025, 0.975)


def spearman(x: Values, y: Values) -> float:
    """Return Spearman's rank correlation; nan where one side is constant."""
    a, b = rankdata(x), rankdata(y)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def kendall(x: Values, y: Values) -> float:
    """Return Kendall's tau-b; nan where one side is constant."""
    a, b = rankdata(x), rankdata(y)  # an infinity has no difference to another, ranks have
    one, other = np.triu_indices(len(a), 1)
    da, db = np.sign(a[one] - a[other]), np.sign(b[one] - b[other])
    pairs = np.count_nonzero(da) * np.count_nonzero(db)
    return float((da * db).sum() / np.sqrt(pairs)) if pairs else float("nan")


def spearman_of_resamples(x: Values, y: Values, draws: Draws) -> Values:
    """Return :func:`spearman` of every resample, (resamples,): all at once, so much faster."""
    a, b = (rankdata(v[draws], axis=1) for v in (x, y))
    a, b = (v - v.mean(axis=1, keepdims=True) for v in (a, b))
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    found: Values = np.full(len(draws), np.nan)
    np.divide((a * b).sum(axis=1), scale, out=found, where=scale > 0)
    return found


def resamples(n: int, seed: int = 0) -> Draws:
    """Return places drawn with replacement, (RESAMPLES, n)."""
    return np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n))


def interval(statistic: Statistic, draws: Draws) -> tuple[float, float]:
    """Return the 95 % interval of ``statistic`` over resamples; constant resamples are left out.

    Not a number twice where every resample is constant.
    """
    return interval_of(np.array([statistic(draw) for draw in draws]))


def interval_of(values: Values) -> tuple[float, float]:
    """Return the 95 % interval of a statistic's ``values`` over resamples, as :func:`interval`."""
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, INTERVAL)
    return float(low), float(high)
