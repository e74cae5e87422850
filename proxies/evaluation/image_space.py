"""Named spaces for distances between sets of pictures: shipped ones, Inception's, a CLIP model's.

The name stands in brackets behind FID and KID: ``FID[shapes-small]`` is no published FID, and only
``FID[…inception-2015-12-05…]`` is comparable with one. A user's network is named after its file or
folder and the digest of its weights.

>>> shipped_space("shapes-small").features(np.zeros((2, 40, 40, 3), dtype=np.uint8)).shape
torch.Size([2, 64])
>>> shipped_space("shapes")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: unknown feature space 'shapes'; did you mean 'shapes-small'?
known: random-conv, shapes-small
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxies.evaluation.shapes_small import SPACE
from proxies.feature_spaces import SPACES, FeatureSpace, verified
from proxies.samples import Samples
from search_space.errors import raise_unknown

SHIPPED: dict[str, FeatureSpace] = {
    "random-conv": SPACES["random-conv"],
    SPACE.name: SPACE,
}


@dataclass(frozen=True)
class ImageSpace:
    """A map from pictures (N, S, S, 3) as bytes to vectors, (N, dim) float64."""

    name: str
    digest: str
    dim: int
    features: Callable[[NDArray[np.uint8]], Tensor]


def shipped_space(name: str) -> ImageSpace:
    """Return a space that ships; raises :class:`WalkbenchError` for an unknown or changed one."""
    if name not in SHIPPED:
        raise_unknown("feature space", name, SHIPPED)
    space = verified(SHIPPED[name])
    return ImageSpace(
        space.name, space.digest, space.dim, lambda images: space.features(Samples(images, ()))
    )


@torch.no_grad()
def features_in(
    spaces: list[ImageSpace], batches: Iterator[NDArray[np.uint8]]
) -> dict[str, Tensor]:
    """Return the features of all pictures in each space by name, (N, dim), reading them once."""
    parts: dict[str, list[Tensor]] = {space.name: [] for space in spaces}
    for batch in batches:
        for space in spaces:
            parts[space.name].append(space.features(batch))
    return {
        space.name: torch.cat(parts[space.name] or [torch.zeros(0, space.dim)]) for space in spaces
    }
