"""Losses of several rungs on one scale: those of lower rungs brought to the highest.

A longer run has a lower loss, by much the same share for all designs. That share is learnt from
designs that were trained on both of two neighbouring rungs; each design then counts once, with the
loss of its highest rung.

>>> loss = np.array([0.30, 0.20, 0.15, np.nan])
>>> kept, brought = on_one_rung(["a", "b", "b", "c"], np.array([0, 0, 1, 1]), loss)
>>> kept.tolist(), brought[kept].round(3).tolist()
([0, 2, 3], [0.225, 0.15, nan])
"""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def on_one_rung(
    designs: Sequence[Hashable], rungs: NDArray[Any], loss: Array
) -> tuple[NDArray[np.int64], Array]:
    """Return which trials to keep, one of each design, and all losses on the highest rung's scale.

    Arrays are by trial, (trials,). A design's trial without a loss gives way to one with a loss on
    any rung: what trains again is known already.
    """
    brought = loss.copy()
    at = {(d, r): x for d, r, x in zip(designs, rungs, loss, strict=True) if np.isfinite(x)}
    for below in range(int(rungs.max(initial=0)) - 1, -1, -1):
        pairs = [(x, at.get((d, below + 1), np.nan)) for (d, r), x in at.items() if r == below]
        shares = [high / low for low, high in pairs if np.isfinite(high) and low > 0 < high]
        if shares:
            brought[rungs <= below] *= np.exp(np.mean(np.log(shares)))
    best: dict[Hashable, int] = {}
    for place, design in enumerate(designs):
        here = (np.isfinite(loss[place]), rungs[place])
        other = best.get(design)
        if other is None or here > (np.isfinite(loss[other]), rungs[other]):
            best[design] = place
    return np.array(sorted(best.values()), np.int64), brought
