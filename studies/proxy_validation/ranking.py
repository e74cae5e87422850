"""How well one list of numbers ranks designs as another does, with intervals over designs.

Spearman and Kendall (tau-b); intervals are percentiles of resamples of the *designs*, the same
resamples for every quantity, so a difference between two proxies is compared pair by pair. All
quantities are oriented beforehand: larger means a better design. A failed run is minus
infinity: the last rank.

>>> truth = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
>>> round(spearman(truth, truth), 9), round(spearman(np.array([2.0, 1.0, 3.0, 5.0, 4.0]), truth), 2)
(1.0, 0.9)
>>> regret(np.array([0, 0, 9.0, 0, 1]), truth)
0.75
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Values = NDArray[np.float64]
Statistic = Callable[[NDArray[np.intp]], float]

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


def partial_spearman(x: Values, y: Values, given: Values) -> float:
    """Return the rank correlation of x and y that ``given`` does not explain."""
    xy, xz, yz = spearman(x, y), spearman(x, given), spearman(y, given)
    left = (1 - xz**2) * (1 - yz**2)
    return float((xy - xz * yz) / np.sqrt(left)) if left > 0 else float("nan")


def better_half(truth: Values) -> NDArray[np.intp]:
    """Return the places of the better half by ``truth``; the middle one of an odd number counts."""
    return np.argsort(-truth, kind="stable")[: -(-len(truth) // 2)]


def precision_at(k: int, x: Values, truth: Values) -> float:
    """Return which share of the ``k`` best by ``x`` is among the ``k`` best by ``truth``."""
    first, best = (set(np.argsort(-v, kind="stable")[:k].tolist()) for v in (x, truth))
    return len(first & best) / k


def regret(x: Values, truth: Values) -> float:
    """Return how much worse than the best the one chosen by ``x`` is, 0 to 1 of the whole range."""
    finite = truth[np.isfinite(truth)]
    span = float(np.ptp(finite))
    chosen = max(float(truth[int(np.argmax(x))]), float(finite.min()))
    return (float(finite.max()) - chosen) / span if span else 0.0


def resamples(n: int, seed: int = 0) -> NDArray[np.intp]:
    """Return places drawn with replacement, (RESAMPLES, n)."""
    return np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n))


def interval(statistic: Statistic, draws: NDArray[np.intp]) -> tuple[float, float]:
    """Return the 95 % interval of ``statistic`` over resamples; constant resamples are left out."""
    values = np.array([statistic(draw) for draw in draws])
    low, high = np.nanquantile(values, INTERVAL)
    return float(low), float(high)
