"""Fixed feature spaces for distances between sets of pictures, each with a name and a digest.

A Fréchet distance or KID says something only together with the space it was taken in. Two spaces
come with Walkbench; neither was trained on anything:

- ``random-conv``: what three convolutions with fixed random weights find, averaged over the picture
  and, at the coarsest level, over its quarters. Sees blur, noise, collapse and wrong places; hardly
  sees a wrong colour in every tenth picture or a missing object.
- ``attributes``: what the checker reads (how many of which shape and colour, where, how large, what
  it cannot read) and whether that is what the prompt asked for. Sees wrong colours and missing
  objects; hardly sees texture.

The digest is of the features of 24 fixed pictures, so it covers weights, arithmetic and the
checker alike. It is compared with the one written here before a space is used: numbers taken in a
changed space can never pass for the old one's.

>>> space = feature_space("random-conv")
>>> space.dim, space.digest == space.measured_digest()
(112, True)
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from proxies.data.checker import judge, read
from proxies.data.dataset import examples, shapes, to_float
from proxies.data.prompts import Example
from proxies.data.shapes import PALETTE, SHAPES
from proxies.samples import Samples
from search_space.errors import WalkbenchError, raise_unknown

BATCH = 256
PROBES, PROBE_SIZE = 8, 24


@dataclass(frozen=True)
class FeatureSpace:
    """A map from pictures and their prompts to vectors of ``dim`` numbers, (N, dim) float64."""

    name: str
    dim: int
    digest: str
    features: Callable[[Samples], Tensor]

    def measured_digest(self) -> str:
        """Return the digest of what ``features`` does now."""
        return _digest(self.features)


class RandomConv(nn.Module):
    """Three convolutions with weights that are the same bits on every machine.

    The first looks at differences between neighbours, and is saturated so that a little noise on a
    flat ground counts beside a hard edge. Averages over the picture of the first (16) and second
    (32) level and over its quarters of the third (16 × 4).
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, 16, 3, padding=1, padding_mode="replicate", bias=False)
        self.middle = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.coarse = nn.Conv2d(32, 16, 3, stride=2, padding=1)
        for name, parameter in self.named_parameters():
            whole = _integers(name, parameter.numel(), "<i2").reshape(parameter.shape)
            if parameter is self.fine.weight:
                whole = 9 * whole - whole.sum(axis=(2, 3), keepdims=True)  # zero on a flat ground
            parameter.data = torch.from_numpy(whole / 2**15)
            parameter.requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pictures (N, 3, S, S) in [-1, 1] to features (N, 112)."""
        edges = self.fine(pixels).abs() / 2
        fine = edges / (1 + edges)  # (N, 16, S, S)
        middle = self.middle(fine).relu()  # (N, 32, S/2, S/2)
        coarse = self.coarse(middle).relu() / 8  # (N, 16, S/4, S/4)
        levels = [4 * fine.mean(dim=(2, 3)), middle.mean(dim=(2, 3))]
        quarters = nn.functional.adaptive_avg_pool2d(coarse, 2).flatten(1)  # (N, 64)
        return torch.cat([*levels, quarters], dim=1)


@lru_cache(maxsize=1)
def _random_conv() -> RandomConv:
    return RandomConv().eval()


@torch.no_grad()
def _conv_features(samples: Samples) -> Tensor:
    parts = torch.split(torch.from_numpy(samples.images), BATCH)
    return torch.cat([_random_conv()(to_float(part).double()) for part in parts])


def _attribute_features(samples: Samples) -> Tensor:
    rows = [_attributes(*one) for one in zip(samples.images, samples.examples, strict=True)]
    return torch.from_numpy(np.stack(rows))


def _attributes(image: NDArray[np.uint8], example: Example) -> NDArray[np.float64]:
    """Return 45 numbers: 32 counts, 3 sums, 4 averages of place and size, 6 verdicts."""
    reading, size = read(image), image.shape[0]
    things = reading.scene.things
    counts = [
        float(sum((t.shape, t.color) == (s, c) for t in things)) for s in SHAPES for c in PALETTE
    ]
    sums = [float(len(things)), float(reading.unclear), reading.residual / 10]
    places = np.array([(t.x, t.y, t.radius) for t in things] or [(0.0, 0.0, 0.0)]) / size
    spread = float(places[:, :2].std())
    v = judge(reading, example.prompt)
    answers = (v.strict, v.loose, v.shapes, v.count, v.color, v.position)
    fulfilled = [float(answer is not False) for answer in answers]
    return np.array([*counts, *sums, *places.mean(axis=0), spread, *fulfilled])


def _digest(features: Callable[[Samples], Tensor]) -> str:
    """Return the digest of the features of fixed pictures, to four decimals.

    Features are computed in float64, so what differs between machines is far below that.
    """
    real = shapes("validation", PROBES, PROBE_SIZE).images
    noise = _integers("probes", real.size, "<u1").reshape(real.shape) // 8  # 0 … 31
    asked = examples("validation", PROBES, PROBE_SIZE)
    spoiled = (real, real // 2 + 20, (real // 2 + noise).astype(np.uint8))
    values = [features(Samples(images, asked)) for images in spoiled]
    whole = np.floor(torch.cat(values).numpy() * 1e4 + 0.5).astype("<i8")
    return hashlib.sha256(whole.tobytes()).hexdigest()[:12]


def _integers(name: str, count: int, kind: str) -> NDArray[np.int64]:
    """Return integers that are the same on every machine and with every version: a hash's bytes."""
    width = np.dtype(kind).itemsize
    text = hashlib.shake_256(f"walkbench feature spaces: {name}".encode()).digest(count * width)
    return np.frombuffer(text, dtype=kind).astype(np.int64)


SPACES = {
    "random-conv": FeatureSpace("random-conv", 112, "9e36e0767c46", _conv_features),
    "attributes": FeatureSpace("attributes", 45, "63738b1e06f9", _attribute_features),
}


@lru_cache(maxsize=8)
def feature_space(name: str) -> FeatureSpace:
    """Return the space called ``name``; raises :class:`WalkbenchError` for one that has changed.

    That is: for an unknown name, and for a space whose digest is not the recorded one.
    """
    if name not in SPACES:
        raise_unknown("feature space", name, SPACES)
    return verified(SPACES[name])


def verified(space: FeatureSpace) -> FeatureSpace:
    """Return ``space``; raises :class:`WalkbenchError` when its digest is not the recorded one."""
    measured = space.measured_digest()
    if measured != space.digest:
        raise WalkbenchError(
            f"feature space {space.name!r} has digest {measured}, not {space.digest}: distances in "
            "it would not compare with others; restore it or give the changed one another name"
        )
    return space
