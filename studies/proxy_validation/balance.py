"""Samples in which switches that matter are not confounded with each other or with latency.

A random sample of 32 designs once held 11, 6, 4 and 11 of the four combinations of sampler and
width of the first stage, so that the one could not be told from the other.

>>> pool = {"a1": 1.0, "a2": 2.0, "b1": 3.0, "a3": 4.0, "b2": 5.0, "b3": 6.0}
>>> balanced(pool, 4, 2, lambda name: name[0])
[('a1', 0), ('b1', 0), ('a3', 1), ('b2', 1)]
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def balanced(
    pool: Mapping[T, float], number: int, strata: int, group: Callable[[T], Hashable]
) -> list[tuple[T, int]]:
    """Return ``number`` members with their band, as many (±1) from each band of ``pool``'s values.

    Within a band the next one is of the ``group`` that has the fewest so far, and the first of it
    in the order of the pool, which is the order drawn.
    """
    ranked = sorted(pool, key=pool.__getitem__)
    order = {member: i for i, member in enumerate(pool)}
    counts: Counter[Hashable] = Counter()
    chosen: list[tuple[T, int]] = []
    for band in range(strata):
        left = ranked[band * len(ranked) // strata : (band + 1) * len(ranked) // strata]
        for _ in range((band + 1) * number // strata - band * number // strata):
            best = min(left, key=lambda member: (counts[group(member)], order[member]))
            left.remove(best)
            counts[group(best)] += 1
            chosen.append((best, band))
    return chosen
