"""Affine correction of sums of blocks, fitted to networks that were timed whole.

A sum of blocks misses what only a whole network has (memory traffic between blocks, one call
instead of many). Networks timed whole give ``ms = offset + scale × sum``, fitted to relative errors
with outlying networks weighted down. The interval comes from predicting each network by the others.

>>> sums, whole = [10.0, 20.0, 30.0, 40.0, 50.0], [11.5, 22.0, 32.5, 43.0, 53.5]
>>> fitted = fit_correction(sums, whole)
>>> round(fitted.offset_ms, 3), round(fitted.scale, 3)
(1.0, 1.05)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latency_db.latency import INTERVAL
from search_space.errors import WalkbenchError

MIN_NETWORKS = 5  # two parameters, and as many again to tell how well they fit
_ROUNDS = 20


@dataclass(frozen=True)
class Correction:
    """``ms = offset_ms + scale × sum``; ``spread`` holds 80 % of left-out relative errors."""

    offset_ms: float
    scale: float
    spread: float
    networks: int

    def apply(self, sum_ms: float) -> float:
        """Return the corrected time of a sum; never less than the sum's scaled tenth."""
        return max(self.offset_ms + self.scale * sum_ms, 0.1 * self.scale * sum_ms)


def fit_correction(sums: Sequence[float], whole: Sequence[float]) -> Correction:
    """Fit whole times on sums of blocks; needs five networks or more."""
    if len(sums) < MIN_NETWORKS:
        raise WalkbenchError(
            f"a correction needs {MIN_NETWORKS} networks timed whole, got {len(sums)}; "
            "measure more with `walkbench latency measure --networks`"
        )
    x, y = np.asarray(sums, dtype=float), np.asarray(whole, dtype=float)
    offset, scale = _fit(x, y)
    left_out = []
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        a, b = _fit(x[others], y[others])
        left_out.append(abs((a + b * x[i]) / y[i] - 1))
    return Correction(offset, scale, float(np.quantile(left_out, INTERVAL)), len(x))


def _fit(x: "np.ndarray", y: "np.ndarray") -> tuple[float, float]:
    """Least absolute relative errors, by least squares reweighted."""
    design = np.stack([1 / y, x / y], axis=1)  # (networks, 2): the target is 1 everywhere
    weights = np.ones(len(y))
    solution = np.zeros(2)
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        solution = np.linalg.lstsq(design * root[:, None], root, rcond=None)[0]
        residual = np.abs(design @ solution - 1)
        weights = 1 / np.maximum(residual, 1e-3)
    return float(solution[0]), float(solution[1])
