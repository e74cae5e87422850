"""Which designs climb to the next rung: the best fronts within noise, spread over latency bands.

A design surely beats another one when it is nowhere worse in what is exact, and its loss is lower
by more than training seeds explain. Designs that nothing surely beats have rank 0, those that only
these beat have rank 1, and so on: designs within noise are ties. Designs climb by rank, and within
a rank in turns from every latency band, the lowest loss of a band first. So one lucky design
neither fills nor empties a rung, and no part of the latency range is given up early.

>>> fast, slow, beaten = (Standing(0.30, (90.0,)), Standing(0.25, (120.0,)), Standing(0.4, (95.0,)))
>>> ranks([fast, slow, beaten], noise=0.05)
[0, 0, 1]
>>> climbers([fast, slow, beaten], share=2 / 3, noise=0.05, is_final=True)
[1, 0]
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

BANDS = 3  # of equally many designs, from the lowest to the highest latency
# Standard deviation of a loss over training seeds, as a share of it: 0.04 to 0.06 in the recorded
# runs of 200 to 4,000 steps (benchmarks/tabular); used until a study's own seeds say more.
SEED_NOISE = 0.05
_LEAST_DESIGNS = 3  # with several seeds each, for a study's own estimate of the noise


@dataclass(frozen=True)
class Standing:
    """A design at one rung: its loss, and its exact objectives, less being better in each.

    The first exact objective decides the band. ``seeds`` are how many runs the loss is a mean of,
    ``spread`` their standard deviation over the loss, None for a single one.
    """

    loss: float
    exact: tuple[float, ...] = ()
    seeds: int = 1
    spread: float | None = None


def seed_noise(standings: Sequence[Standing]) -> float:
    """Return the noise of one seed at this rung, pooled over designs with several seeds."""
    known = [(s.spread**2, s.seeds - 1) for s in standings if s.spread is not None and s.seeds > 1]
    if len(known) < _LEAST_DESIGNS:
        return SEED_NOISE
    freedom = sum(weight for _, weight in known)
    return math.sqrt(sum(variance * weight for variance, weight in known) / freedom)


def surely_beats(a: Standing, b: Standing, noise: float) -> bool:
    """Whether ``a`` is nowhere worse in what is exact and its loss lower by more than noise."""
    if any(x > y for x, y in zip(a.exact, b.exact, strict=True)):
        return False
    scale = (abs(a.loss) + abs(b.loss)) / 2
    return b.loss - a.loss > noise * scale * math.sqrt(1 / a.seeds + 1 / b.seeds)


def ranks(standings: Sequence[Standing], noise: float) -> list[int]:
    """Return the front that each design is on, the best one 0, with ties within ``noise``."""
    found = [0] * len(standings)
    left, rank = set(range(len(standings))), 0
    while left:
        front = {
            i
            for i in left
            if not any(surely_beats(standings[j], standings[i], noise) for j in left)
        }
        for i in front:
            found[i] = rank
        left, rank = left - front, rank + 1
    return found


def climbers(
    standings: Sequence[Standing],
    share: float,
    *,
    noise: float | None = None,
    bands: int = BANDS,
    is_final: bool = False,
) -> list[int]:
    """Return the places of the designs that belong on the next rung, the first to climb first.

    ``share`` of the designs climb, rounded down while more of them are expected and none before
    each band has one to give; rounded up when ``is_final``.
    """
    number = len(standings)
    if is_final:
        quota = math.ceil(number * share - 1e-9)
    else:
        quota = int(number * share + 1e-9) if number * share >= bands else 0
    if not quota:
        return []
    rank = ranks(standings, seed_noise(standings) if noise is None else noise)
    band = _bands(standings, bands)
    order = sorted(range(number), key=lambda i: (rank[i], standings[i].loss, i))
    turns: dict[tuple[int, int], int] = {}
    turn = [0] * number  # how many of its rank and band have a lower loss
    for i in order:
        turn[i] = turns.get((rank[i], band[i]), 0)
        turns[rank[i], band[i]] = turn[i] + 1
    return sorted(order, key=lambda i: (rank[i], turn[i], standings[i].loss, i))[:quota]


def _bands(standings: Sequence[Standing], bands: int) -> list[int]:
    """Return each design's band, of equally many designs by the first exact objective."""
    order = sorted(range(len(standings)), key=lambda i: (standings[i].exact[:1], i))
    found = [0] * len(standings)
    for place, i in enumerate(order):
        found[i] = place * bands // len(standings)
    return found
