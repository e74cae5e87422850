"""Noise of a ranking: its ceiling, and how many seeds tell two designs apart.

No proxy can agree with the long run better than the long run agrees with itself under other seeds.
The ceiling is the Spearman correlation between means over disjoint groups of seeds, averaged over
all ways to split them. From it follows how reliable the mean over *all* seeds is (Spearman–Brown,
for groups of unequal size too); a correlation with that mean is corrected by dividing it by the
square root of the reliability.

All runs of one seed share their pictures, noise and initial weights, so the difference of two
designs is taken seed by seed.

>>> truth = np.array([[1.0, 1.1, 0.9], [2.0, 2.1, 1.9], [3.0, 3.1, 2.9]])  # designs × seeds
>>> ceiling(truth), round(reliability(0.8, 1, 1, 2), 3)
(1.0, 0.889)
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, t

from latency_db.agreement import Values, spearman

CONFIDENCE = 0.95
POWER = 0.8


def splits(seeds: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield every split of ``seeds`` into two groups of nearly equal size; one seed has none."""
    if seeds < 2:
        return
    for group in itertools.combinations(range(seeds), seeds // 2):
        others = [seed for seed in range(seeds) if seed not in group]
        if 2 * len(group) == seeds and 0 not in group:
            continue  # the other half of a split that was given
        yield list(group), others


def ceiling(values: Values) -> float:
    """Return the mean Spearman between disjoint seed groups of ``values``, (designs, seeds)."""
    found = [
        spearman(values[:, a].mean(axis=1), values[:, b].mean(axis=1))
        for a, b in splits(values.shape[1])
    ]
    return float(np.mean(found))


def reliability(agreement: float, first: int, second: int, seeds: int) -> float:
    """Return how reliable a mean over ``seeds`` is, when groups of two sizes agree this well.

    With noise λ per seed relative to the spread of designs, groups of m and n seeds correlate as
    1 / √((1 + λ/m)(1 + λ/n)), and the mean over k seeds has the reliability 1 / (1 + λ/k). Of an
    agreement that is not a number nothing follows: not a number.
    """
    if math.isnan(agreement):
        return agreement
    if agreement >= 1:
        return 1.0
    if agreement <= 0:
        return 0.0

    def excess(noise: float) -> float:
        return 1 / math.sqrt((1 + noise / first) * (1 + noise / second)) - agreement

    return 1 / (1 + float(brentq(excess, 0, 1e9)) / seeds)


@dataclass(frozen=True)
class Gap:
    """The difference of two designs over seeds, ``after - before``, as a share of ``before``.

    ``low`` and ``high`` are the 95 % interval. Its spread is pooled over all pairs of the study, as
    a few seeds of one pair say little about it.
    """

    before: str
    after: str
    relative: float
    low: float
    high: float


def gaps(pairs: Sequence[tuple[str, str]], losses: Mapping[str, Values]) -> list[Gap]:
    """Return the gap of every (before, after) in ``pairs``; ``losses`` are by name, (seeds,).

    Pairs with a failed run are left out.
    """
    relative = paired(pairs, losses)
    usable = np.asarray(np.isfinite(relative).all(axis=1))
    seeds = relative.shape[1]
    if not usable.any() or seeds < 2:
        return []
    deviation, degrees = pooled(relative[usable])
    reach = t.ppf((1 + CONFIDENCE) / 2, degrees) * deviation / math.sqrt(seeds)
    return [
        Gap(*pairs[i], float(mean), float(mean - reach), float(mean + reach))
        for i, mean in enumerate(relative.mean(axis=1))
        if usable[i]
    ]


def paired(pairs: Sequence[tuple[str, str]], losses: Mapping[str, Values]) -> Values:
    """Return relative differences of pairs, seed by seed, (pairs, seeds).

    Not a number where one of the two failed.
    """
    before, after = (np.array([losses[pair[side]] for pair in pairs]) for side in (0, 1))
    known = np.isfinite(before) & np.isfinite(after)  # over an infinity everything is 0
    return np.where(known, after / np.where(known, before, 1.0) - 1, np.nan)


def pooled(differences: Values) -> tuple[float, int]:
    """Return the standard deviation over seeds, pooled over pairs, and its degrees of freedom."""
    pairs, seeds = differences.shape
    return math.sqrt(float(differences.var(axis=1, ddof=1).mean())), pairs * (seeds - 1)


def seeds_to_resolve(share: float, deviation: float) -> int:
    """Return how many seeds show a difference of ``share`` in loss: 5 % error, 80 % power."""
    factor = float(norm.ppf((1 + CONFIDENCE) / 2) + norm.ppf(POWER))
    return max(2, math.ceil((factor * deviation / share) ** 2))
