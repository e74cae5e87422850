"""What a ranking of designs is good for: choosing one, finding the best few, beyond MACs.

All quantities are oriented beforehand: larger means a better design. A failed run is minus
infinity: the last rank. Rank correlations and their intervals are in `latency_db.agreement`.

>>> truth = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
>>> regret(np.array([0, 0, 9.0, 0, 1]), truth)
0.75
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from latency_db.agreement import Draws, Values, spearman


def partial_spearman(x: Values, y: Values, given: Values) -> float:
    """Return the rank correlation of x and y that ``given`` does not explain."""
    xy, xz, yz = spearman(x, y), spearman(x, given), spearman(y, given)
    left = (1 - xz**2) * (1 - yz**2)
    return float((xy - xz * yz) / np.sqrt(left)) if left > 0 else float("nan")


def concordance(x: Values, truth: Values, pairs: Sequence[tuple[int, int]]) -> float:
    """Return Kendall's tau over ``pairs`` of places alone; not a number without any."""
    if not pairs:
        return float("nan")
    a, b = np.array(pairs).T
    rank_x, rank_t = rankdata(x), rankdata(truth)  # an infinity has no difference to another
    agree = np.sign(rank_x[a] - rank_x[b]) * np.sign(rank_t[a] - rank_t[b])
    return float(agree.mean())


def better_half(truth: Values) -> Draws:
    """Return the places of the better half by ``truth``; the middle one of an odd number counts."""
    return np.argsort(-truth, kind="stable")[: -(-len(truth) // 2)]


def precision_at(k: int, x: Values, truth: Values) -> float:
    """Return which share of the ``k`` best by ``x`` is among the ``k`` best by ``truth``."""
    first, best = (set(np.argsort(-v, kind="stable")[:k].tolist()) for v in (x, truth))
    return len(first & best) / k


def regret(x: Values, truth: Values) -> float:
    """Return how much worse than the best the one chosen by ``x`` is, 0 to 1 of the whole range.

    Not a number where every design failed.
    """
    finite = truth[np.isfinite(truth)]
    if not len(finite):
        return float("nan")
    span = float(np.ptp(finite))
    chosen = max(float(truth[int(np.argmax(x))]), float(finite.min()))
    return (float(finite.max()) - chosen) / span if span else 0.0
