"""Captioned pictures as arrays, made once per process and shared by all candidates.

Making a picture costs about a tenth of a millisecond, reading one from an array nothing, so a run
never waits for its data. Pictures stay bytes; a batch becomes floats in [-1, 1] when it is used.

>>> data = shapes("train", count=4, size=24)
>>> data.images.shape, data.tokens.shape, data.name
((4, 24, 24, 3), (4, 12), 'shapes')
>>> to_float(data.images[:2]).shape
torch.Size([2, 3, 24, 24])
>>> shapes("train", count=4, size=12).captions == data.captions  # the same pictures, halved
True
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxies.data.prompts import VOCABULARY, Example, encode, sample
from proxies.data.shapes import PALETTE, READABLE, SHAPES, render
from proxies.data.training_data import Batch, moments_of
from proxies.flow_matching import Moments
from search_space.errors import WalkbenchError

LEAST = 8  # pixels; a shape has a radius of about one there
DATA_SEED = 0  # one data set for every run; a run's own seed decides order, noise and timesteps
_COLORS = list(PALETTE)


@dataclass(frozen=True, eq=False)
class Captioned:
    """Pictures (N, S, S, 3) as bytes, captions (N, T) as word numbers, a class label each (N,).

    ``book`` has the words that numbers stand for, where they have names.
    """

    name: str
    images: NDArray[np.uint8]
    tokens: NDArray[np.int64]
    labels: NDArray[np.int64]
    captions: tuple[str, ...]
    vocabulary: int
    book: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def moments(self) -> Moments:
        """Mean and variance of all values of (at most a thousand of) the pictures, as floats."""
        return moments_of(self)

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return int(self.images.shape[1])

    @property
    def channels(self) -> int:
        """Colours of a picture."""
        return int(self.images.shape[3])

    @property
    def text_tokens(self) -> int:
        """Word numbers of a caption, padding included."""
        return int(self.tokens.shape[1])

    @property
    def text_width(self) -> int:
        """0: captions are word numbers, and have no vectors yet."""
        return 0

    def batch(self, rows: Tensor) -> Batch:
        """Return the pictures as floats, (B, 3, S, S), word numbers (B, T) and labels (B,)."""
        images, tokens, labels = self._tensors
        return Batch(to_float(images[rows]), tokens[rows], labels[rows])

    @cached_property
    def _tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return tuple(map(torch.from_numpy, (self.images, self.tokens, self.labels)))  # type: ignore[return-value]


@lru_cache(maxsize=8)
def examples(split: str, count: int, size: int, seed: int = DATA_SEED) -> tuple[Example, ...]:
    """Return the prompts and scenes of :func:`shapes`, for checking samples against."""
    return tuple(sample(seed, split, i, size) for i in range(count))


@lru_cache(maxsize=8)
def shapes(split: str, count: int, size: int, seed: int = DATA_SEED) -> Captioned:
    """Return the first ``count`` examples of a split of the procedural data, ``size`` pixels wide.

    The label is the (shape, colour) of the first thing. Pictures too small to be read back are
    larger ones brought down by averaging (:func:`drawn_at`). Raises :class:`WalkbenchError` for an
    unknown split and for a size under ``LEAST``.
    """
    drawn = drawn_at(size)
    made = examples(split, count, drawn, seed)
    firsts = [example.scene.things[0] for example in made]
    captions = tuple(example.prompt.prompt for example in made)
    return Captioned(
        "shapes",
        np.stack([reduced(render(example.scene, drawn), drawn // size) for example in made]),
        np.array([encode(caption) for caption in captions], dtype=np.int64),
        np.array([SHAPES.index(t.shape) * len(_COLORS) + _COLORS.index(t.color) for t in firsts]),
        captions,
        len(VOCABULARY),
        VOCABULARY,
    )


def drawn_at(size: int, readable: int = READABLE) -> int:
    """Return at which side pictures of ``size`` are drawn: its least multiple that is ``readable``.

    Raises :class:`WalkbenchError` for a size under ``LEAST``.
    """
    if size < LEAST:
        raise WalkbenchError(f"pictures of {size} pixels show nothing; use {LEAST} or more")
    return -(-readable // size) * size


def reduced(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Return a picture whose side is ``factor`` times shorter, each pixel the mean of a square."""
    if factor == 1:
        return image
    side = image.shape[0] // factor
    squares = image.reshape(side, factor, side, factor, -1)
    means: NDArray[np.float64] = squares.mean(axis=(1, 3))
    return np.floor(means + 0.5).astype(np.uint8)


def to_float(images: NDArray[np.uint8] | Tensor) -> Tensor:
    """Return bytes (N, S, S, 3) as floats (N, 3, S, S) in [-1, 1], channels last in memory."""
    pixels = torch.as_tensor(images).permute(0, 3, 1, 2)  # a view: the memory is channels last
    return pixels.to(torch.float32).div_(127.5).sub_(1)


def to_bytes(pixels: Tensor) -> NDArray[np.uint8]:
    """Return floats (N, 3, S, S) in [-1, 1] as pictures (N, S, S, 3)."""
    levels = pixels.detach().float().add(1).mul(127.5).round().clamp(0, 255)
    return levels.permute(0, 2, 3, 1).to("cpu", torch.uint8).numpy()
