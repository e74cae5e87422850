"""FID and KID of two sets of features, with a standard error and what real pictures would get.

The arithmetic is torchmetrics'. KID is unbiased, over all pictures up to a thousand of them and the
mean of fifty random subsets of a thousand beyond. A Fréchet distance needs more pictures than its
space has dimensions and falls with their number even between real pictures.

The standard error is a jackknife over ten groups of the drawn pictures: what another draw of as
many would change. It is left out where a space is too wide to be evaluated ten more times.

>>> features = torch.randn(100, 2, generator=torch.Generator().manual_seed(0)).double()
>>> shifted = set_distance(features, features + torch.tensor([3.0, 0.0]))
>>> round(shifted.frechet, 4), shifted.n
(9.0, 100)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from proxies.distances import frechet, kid
from search_space.errors import WalkbenchError

GROUPS = 10
WIDEST, MOST = 256, 5000  # dimensions and pictures up to which a jackknife is worth its time
SUBSET, SUBSETS = 1000, 50  # of KID beyond a thousand pictures


@dataclass(frozen=True)
class SetDistance:
    """Distances of ``n`` drawn pictures from real ones; None where there are too few pictures."""

    n: int
    frechet: float | None
    frechet_stderr: float | None
    kid: float
    kid_stderr: float | None


def set_distance(real: Tensor, drawn: Tensor) -> SetDistance:
    """Return the distances of ``drawn`` from ``real``, (N, dim) and (M, dim) float64.

    Raises :class:`WalkbenchError` for fewer than two pictures in either.
    """
    least = min(len(real), len(drawn))
    if least < 2:
        raise WalkbenchError(f"{least} pictures are too few for a distance; give two sets of two")
    enough = least > real.shape[1]
    light = real.shape[1] <= WIDEST and len(drawn) <= MOST and len(drawn) >= 2 * GROUPS
    fewer = len(drawn) - math.ceil(len(drawn) / GROUPS) > real.shape[1]
    return SetDistance(
        n=len(drawn),
        frechet=frechet(real, drawn) if enough else None,
        frechet_stderr=jackknife(lambda x: frechet(real, x), drawn)
        if light and enough and fewer
        else None,
        kid=_kid(real, drawn),
        kid_stderr=jackknife(lambda x: _kid(real, x), drawn) if light else None,
    )


def floor(real: Tensor, others: Tensor) -> tuple[float | None, float | None]:
    """Return FID and KID of real pictures from other real ones; None where there are too few."""
    least = min(len(real), len(others))
    if least < 2:
        return None, None
    return frechet(real, others) if least > real.shape[1] else None, _kid(real, others)


def jackknife(measure: Callable[[Tensor], float], drawn: Tensor, groups: int = GROUPS) -> float:
    """Return the standard error of ``measure(drawn)``: each of ``groups`` is left out once."""
    group = torch.arange(len(drawn)) % groups
    values = torch.tensor([measure(drawn[group != g]) for g in range(groups)], dtype=torch.float64)
    return math.sqrt((groups - 1) / groups * float((values - values.mean()).square().sum()))


def _kid(real: Tensor, drawn: Tensor) -> float:
    size = min(len(real), len(drawn))
    return kid(real, drawn, SUBSET, SUBSETS) if size > SUBSET else kid(real, drawn, size, 1)
