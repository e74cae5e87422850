"""What a user decides by: pairs that the long runs tell apart, the best few, the price of a choice.

A rank among designs that seeds do not tell apart is noise. A pair is resolved where its long runs
differ by more than :data:`RESOLVED` standard errors of their difference, taken seed by seed with
the spread over seeds pooled over all pairs.

>>> long = np.array([[0.10, 0.11], [0.20, 0.21], [0.201, 0.209]])  # losses (designs, seeds)
>>> resolved_pairs(long).astype(int).tolist()
[[0, 1, 1], [1, 0, 0], [1, 0, 0]]
>>> accuracy(np.array([1.0, 3.0, 2.0]), long)[0]
1.0
"""

import math

import numpy as np
from numpy.typing import NDArray

from latency_db.agreement import Values, interval_of, resamples
from studies.proxy_validation.noise import pooled

RESOLVED = 2.0  # standard errors
BEST, FIRST = 8, 16  # of the true best BEST, how many are among the FIRST by the proxy
CHOICES = 3  # that a user trains longer


def resolved_pairs(long: Values) -> NDArray[np.bool_]:
    """Return which pairs of designs, (n, n), the long runs' losses (n, seeds) tell apart.

    One seed tells none apart, and neither do designs of which a run failed.
    """
    designs, seeds = long.shape
    none = np.zeros((designs, designs), dtype=bool)
    usable = np.flatnonzero(np.isfinite(long).all(axis=1))
    if seeds < 2 or len(usable) < 2:
        return none
    a, b = (usable[side] for side in np.triu_indices(len(usable), 1))
    differences = long[a] - long[b]  # (pairs, seeds)
    deviation, _ = pooled(differences)
    apart = np.abs(differences.mean(axis=1)) > RESOLVED * deviation / math.sqrt(seeds)
    none[a[apart], b[apart]] = none[b[apart], a[apart]] = True
    return none


def accuracy(proxy: Values, long: Values) -> tuple[float, float, float]:
    """Return on which share of resolved pairs ``proxy`` (losses) is right, and its 95 % interval.

    Resamples are of designs. Not a number without a resolved pair.
    """
    apart, truth = resolved_pairs(long), long.mean(axis=1)
    if not apart.any():
        return math.nan, math.nan, math.nan
    right = (
        apart
        & (np.less.outer(proxy, proxy) == np.less.outer(truth, truth))
        & np.not_equal.outer(proxy, proxy)
    )
    draws = resamples(len(proxy))
    counts = np.stack([np.bincount(draw, minlength=len(proxy)) for draw in draws]).astype(float)
    found = ((counts @ right) * counts).sum(axis=1)
    with np.errstate(invalid="ignore"):
        shares = found / ((counts @ apart) * counts).sum(axis=1)
    low, high = interval_of(shares[np.isfinite(shares)])
    return float(right.sum() / apart.sum()), low, high


def recall(proxy: Values, truth: Values) -> int:
    """Return how many of the true best are among the first by ``proxy``; both are losses."""
    best, first = np.argsort(truth, kind="stable")[:BEST], np.argsort(proxy, kind="stable")[:FIRST]
    return len(set(best.tolist()) & set(first.tolist()))


def regret_percent(proxy: Values, truth: Values) -> float:
    """Return by how many percent the best of the proxy's first three is worse than the best.

    Infinite where all three failed, not a number where every design did.
    """
    if not np.isfinite(truth).any():
        return math.nan
    first = np.argsort(proxy, kind="stable")[:CHOICES]
    return float(100 * (truth[first].min() / truth.min() - 1))
