"""`shapes-small`: a feature network of 46,768 weights, trained on the procedural shapes alone.

It reads how many things of which shape, colour and fill a picture shows, and how blurred and how
noisy it is; its 64 features are what those answers are read from. So a distance in this space sees
wrong content and bad texture alike, on pictures like the shapes. It has never seen a photograph:
on photographs take Inception's or a CLIP model's features.

The weights are shipped; ``benchmarks/train_shapes_small.py`` trains them again from a seed.

>>> net = shapes_small()
>>> net(torch.zeros(2, 3, SIDE, SIDE, dtype=torch.float64)).shape
torch.Size([2, 64])
>>> sum(p.numel() for p in net.parameters())
46768
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from proxies.data.dataset import to_float
from proxies.feature_spaces import BATCH, FeatureSpace
from proxies.samples import Samples

NAME = "shapes-small"
SIDE = 32  # pixels; other pictures are scaled to it
DIM = 64
WEIGHTS = Path(__file__).with_name("shapes_small.safetensors")
DIGEST = "74e16e957275"


class ShapesSmall(nn.Module):
    """Four convolutions, averages over the quarters of the picture, and one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1), nn.BatchNorm2d(12), nn.SiLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.BatchNorm2d(24), nn.SiLU(),
            nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.BatchNorm2d(48), nn.SiLU(),
            nn.Conv2d(48, 48, 3, stride=2, padding=1), nn.BatchNorm2d(48), nn.SiLU(),
        )  # fmt: skip
        self.linear = nn.Linear(4 * 48, DIM)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pictures (N, 3, 32, 32) in [-1, 1] to features (N, 64)."""
        places = self.convs(pixels)  # (N, 48, 4, 4)
        quarters = nn.functional.adaptive_avg_pool2d(places, 2).flatten(1)  # (N, 192)
        features: Tensor = self.linear(quarters)
        return features


@lru_cache(maxsize=1)
def shapes_small() -> ShapesSmall:
    """Return the network with its shipped weights, in float64 and without gradients."""
    from safetensors.torch import load_file

    net = ShapesSmall()
    net.load_state_dict(load_file(WEIGHTS), strict=False)  # without counts of batches
    return net.double().eval().requires_grad_(False)


def scaled(images: NDArray[np.uint8], side: int = SIDE) -> Tensor:
    """Return pictures (N, S, S, 3) as floats in [-1, 1], (N, 3, side, side) float64.

    Larger pictures are averaged down, without aliasing.
    """
    pixels = to_float(torch.from_numpy(images)).double()
    if pixels.shape[-1] == side:
        return pixels
    return nn.functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True)


def _features(samples: Samples) -> Tensor:
    parts = np.array_split(samples.images, -(-len(samples.images) // BATCH))
    return torch.cat([shapes_small()(scaled(part)) for part in parts])


SPACE = FeatureSpace(NAME, DIM, DIGEST, _features)
