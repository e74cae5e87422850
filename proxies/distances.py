"""Fréchet distance and KID between drawn and real pictures, in named and hashed feature spaces.

Neither is called FID here: without a space behind it that name belongs to one Inception network,
and these spaces are others (:mod:`proxies.feature_spaces`). Both see sets of pictures, not single
ones: blur, noise, missing variety. Beside each stands the same distance between two sets of real
pictures, which is what a perfect model would get; the Fréchet one falls with the number of
pictures, so distances compare at one number only. The arithmetic is torchmetrics'.

>>> from proxies.samples import real_samples
>>> drawn = real_samples(300, size=24)
>>> found = distance("random-conv", drawn)
>>> found.frechet == found.real_frechet, found.n, found.space
(True, 300, 'random-conv')
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from proxies.feature_spaces import SPACES, feature_space
from proxies.samples import Samples, real_samples
from proxies.score_parts import Distance
from search_space.errors import WalkbenchError

LEAST = 256  # pictures: twice the widest space, so that covariances have full rank
ENOUGH = 1000  # from here on the noise of a distance is small beside what short runs differ by


class _PassThrough(nn.Module):
    """Passes features to torchmetrics, in place of its feature network."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.num_features = dim

    def forward(self, features: Tensor) -> Tensor:
        return features


def check_ready(count: int, spaces: Sequence[str] = tuple(SPACES)) -> None:
    """Raise :class:`WalkbenchError` now if ``count`` pictures could not be measured later.

    That is: too few pictures, an unknown or changed space, no torchmetrics.
    """
    if count < LEAST:
        raise WalkbenchError(
            f"{count} pictures are too few for a distance between sets; draw {LEAST} or more, "
            f"better {ENOUGH:,}"
        )
    for name in spaces:
        feature_space(name)
    with _torchmetrics():
        pass


def distances(drawn: Samples, spaces: Sequence[str] = tuple(SPACES)) -> tuple[Distance, ...]:
    """Return the distance of ``drawn`` from real pictures in each of ``spaces``."""
    return tuple(distance(name, drawn) for name in spaces)


def distance(name: str, drawn: Samples) -> Distance:
    """Return Fréchet distance and KID of ``drawn`` from real pictures in the space ``name``.

    ``drawn`` must be for the first validation prompts. They are compared with as many real pictures
    of the prompts after these, and so are the real pictures of the prompts themselves. Raises
    :class:`WalkbenchError` for fewer than ``LEAST`` pictures and for an unknown or changed space.
    """
    count, size = len(drawn.images), int(drawn.images.shape[1])
    check_ready(count, (name,))
    space = feature_space(name)
    others, own = (_real_features(name, count, size, start) for start in (count, 0))
    found = space.features(drawn)
    return Distance(
        space=space.name,
        digest=space.digest,
        dim=space.dim,
        n=count,
        frechet=frechet(others, found),
        kid=kid(others, found),
        real_frechet=frechet(others, own),
        real_kid=kid(others, own),
    )


@lru_cache(maxsize=16)
def _real_features(name: str, count: int, size: int, start: int) -> Tensor:
    return feature_space(name).features(real_samples(count, size, start))


def frechet(real: Tensor, drawn: Tensor) -> float:
    """Return |μ−μ'|² + tr(Σ + Σ' − 2(ΣΣ')½) of two sets of features, (N, dim)."""
    with _torchmetrics() as (frechet_distance, _):
        metric = frechet_distance(feature=_PassThrough(real.shape[1]))
        metric.update(real, real=True)
        metric.update(drawn, real=False)
        return float(metric.compute())


def kid(real: Tensor, drawn: Tensor, subset: int | None = None, subsets: int = 1) -> float:
    """Return the unbiased squared MMD of two sets of features, (N, dim), cubic kernel; may be < 0.

    torchmetrics averages over random subsets; one subset of all pictures, the default, varies
    least.
    """
    with _torchmetrics() as (_, kernel_distance):
        metric = kernel_distance(
            feature=_PassThrough(real.shape[1]), subsets=subsets, subset_size=subset or len(real)
        )
        metric.update(real, real=True)
        metric.update(drawn, real=False)
        return float(metric.compute()[0])


@contextmanager
def _torchmetrics() -> Iterator[tuple[Any, Any]]:
    """Yield torchmetrics' two classes, without their warning; the random state is restored.

    Raises :class:`WalkbenchError` where it is not installed.
    """
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", message="Metric `Kernel Inception Distance` will save")
        torch.manual_seed(0)  # it shuffles the pictures
        try:
            from torchmetrics.image.fid import FrechetInceptionDistance
            from torchmetrics.image.kid import KernelInceptionDistance
        except ImportError:
            raise WalkbenchError(
                "distances need torchmetrics; pip install 'walkbench[distances]'"
            ) from None
        yield FrechetInceptionDistance, KernelInceptionDistance
