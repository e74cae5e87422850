"""`load(data, spec, config)`: the data that `--data` names, as a design reads them.

A name (shapes, digits, crowd, scenes), pictures (a folder, a .tar, a pattern of tars) or a cache
that `walkbench data cache` made. Captions of pictures become numbers of the words that the training
part has; caches have embeddings. A tenth is held out for validation, always in middle squares.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxies.bundle_training.words import PAD, UNKNOWN, encode_all, vocabulary
from proxies.data.cache_index import INDEX
from proxies.data.dataset import Captioned, shapes, to_float
from proxies.data.entries import Sample, Skipped, read
from proxies.data.latents import CachedLatents, load_latents
from proxies.data.listing import list_pictures
from proxies.data.parts import Parts, held_out, split
from proxies.data.scenes import TASKS
from proxies.data.source import NAMES, SHAPES, DataSource
from proxies.data.training_data import Batch, TrainingData
from proxies.flow_matching import Moments
from proxies.train_config import DataConfig
from search_space.errors import WalkbenchError
from search_space.spec import UNetSpec

RATIOS = (0.5, 2 / 3, 0.75, 1.0, 4 / 3, 1.5, 2.0)  # width over height of aspect crops


@dataclass(frozen=True, eq=False)
class Loaded:
    """Training and validation data, and what was skipped.

    ``groups`` are rows of equal shape, of which a batch takes one. ``book`` has the words that text
    numbers stand for, None where text comes as embeddings.
    """

    train: TrainingData
    validation: TrainingData
    groups: tuple[Tensor, ...]
    book: tuple[str, ...] | None
    captions: tuple[str, ...]  # of the validation data; empty for caches
    skipped: tuple[Skipped, ...] = ()


def load(
    data: str, spec: UNetSpec, config: DataConfig, known: tuple[str, ...] = (PAD, UNKNOWN)
) -> Loaded:
    """Read ``data``; words that are ``known`` keep their numbers.

    Raises :class:`WalkbenchError` where there are no data or they do not fit.
    """
    if data not in NAMES and (Path(data) / INDEX).is_file():
        return _cached(data, spec, config)
    if spec.in_channels != 3:
        raise WalkbenchError(
            f"{data!r} are pictures and the design reads {spec.in_channels} channels of latents; "
            f"encode them once with `walkbench data cache CACHE --images {data} --vae … "
            "--text-encoder …` and give --data CACHE"
        )
    if data in NAMES:
        if config.crop == "aspect":
            raise WalkbenchError(f"crop aspect is for pictures; {data!r} are square")
        return _captioned(_named(data, spec.latent_size, config), spec, known)
    listing = list_pictures(data)
    held = [entry for entry in listing.entries if held_out(entry.key)]
    rest = [entry for entry in listing.entries if not held_out(entry.key)]
    sides = Crops(spec.latent_size, 2 ** (len(spec.stages) - 1))
    found = [read(e, sides if config.crop == "aspect" else spec.latent_size) for e in rest]
    found_held = [read(entry, spec.latent_size) for entry in held]
    skipped = (*listing.skipped, *(x for x in [*found, *found_held] if isinstance(x, Skipped)))
    samples = [x for x in found if isinstance(x, Sample)]
    held_samples = [x for x in found_held if isinstance(x, Sample)]
    if config.crop == "centre":
        parts = split([*samples, *held_samples], "pictures", 1, skipped, data)
        return _captioned(parts, spec, known)
    return _of_aspects(samples, held_samples, skipped, data, spec, known)


def _named(data: str, size: int, config: DataConfig) -> Parts[Captioned]:
    count, held = config.train_images, config.validation_images
    if data == SHAPES:
        return Parts(shapes("train", count, size), shapes("validation", held, size))
    if data in TASKS:
        from proxies.data.scene_data import scene_pictures

        train = scene_pictures(data, "train", count, size)
        return Parts(train, scene_pictures(data, "validation", held, size))
    parts = DataSource(data=data).load(size)
    assert parts is not None
    return parts


def _captioned(parts: Parts[Captioned], spec: UNetSpec, known: tuple[str, ...]) -> Loaded:
    book, tokens = vocabulary(parts.train.captions, known), spec.context.tokens
    train, validation = (
        dataclasses.replace(
            part,
            tokens=np.array(encode_all(part.captions, book, tokens), dtype=np.int64),
            vocabulary=len(book),
            book=book,
        )
        for part in (parts.train, parts.validation)
    )
    rows = (torch.arange(len(train)),)
    return Loaded(train, validation, rows, book, validation.captions, parts.skipped)


def _cached(data: str, spec: UNetSpec, config: DataConfig) -> Loaded:
    if config.crop == "aspect":
        raise WalkbenchError(f"crop aspect is for pictures; cache {data!r} has square latents")
    parts = load_latents(Path(data), config.vae)
    found: CachedLatents = parts.train
    wanted = {
        "channels": (found.channels, spec.in_channels),
        "side": (found.size, spec.latent_size),
        "width of text embeddings": (found.text_width, spec.context.given_width),
        "tokens": (found.text_tokens, spec.context.tokens),
    }
    for what, (given, needed) in wanted.items():
        if given != needed:
            raise WalkbenchError(
                f"cache {data!r} does not fit the design: its {what} is {given}, the design has "
                f"{needed}; make a cache that fits, or search a design for this one"
            )
    rows = (torch.arange(len(found)),)
    return Loaded(found, parts.validation, rows, None, (), parts.skipped)


@dataclass(frozen=True)
class Crops:
    """Widths and heights near ``size``² pixels, multiples of ``factor``, for pictures of any shape.

    >>> Crops(64, 8)(640, 480)
    (72, 56)
    """

    size: int
    factor: int

    def __call__(self, width: int, height: int) -> tuple[int, int]:
        """Return the sides for a picture: those of the nearest ratio."""
        wanted = np.log(width / height)
        return self._sides(min(RATIOS, key=lambda ratio: abs(float(np.log(ratio) - wanted))))

    def _sides(self, ratio: float) -> tuple[int, int]:
        width, height = self.size * ratio**0.5, self.size / ratio**0.5
        near = (max(1, round(side / self.factor)) * self.factor for side in (width, height))
        first, second = near
        return first, second


@dataclass(frozen=True, eq=False)
class AspectPictures:
    """Pictures of several shapes, (H, W, 3) bytes each, with captions as numbers (N, T)."""

    name: str
    size: int
    pictures: tuple[NDArray[np.uint8], ...]
    tokens: Tensor
    vocabulary: int
    book: tuple[str, ...] = ()
    channels: int = 3
    text_width: int = 0

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def text_tokens(self) -> int:
        """Word numbers of a caption, padding included."""
        return int(self.tokens.shape[1])

    @cached_property
    def moments(self) -> Moments:
        """Mean and variance of all values of (at most a thousand of) the pictures."""
        values = np.concatenate([picture.reshape(-1) for picture in self.pictures[:1000]])
        return Moments(*(float(x) for x in (values.mean() / 127.5 - 1, values.var() / 127.5**2)))

    @property
    def groups(self) -> tuple[Tensor, ...]:
        """Rows of each shape."""
        found: dict[tuple[int, ...], list[int]] = {}
        for row, picture in enumerate(self.pictures):
            found.setdefault(picture.shape, []).append(row)
        return tuple(torch.tensor(found[shape]) for shape in sorted(found))

    def batch(self, rows: Tensor) -> Batch:
        """Return rows of one shape."""
        stacked = np.stack([self.pictures[row] for row in rows.tolist()])
        return Batch(to_float(stacked), self.tokens[rows], torch.zeros(len(rows), dtype=torch.long))


def _of_aspects(
    samples: Sequence[Sample],
    held: Sequence[Sample],
    skipped: tuple[Skipped, ...],
    data: str,
    spec: UNetSpec,
    known: tuple[str, ...],
) -> Loaded:
    side = spec.latent_size
    square = np.zeros((side, side, 3), dtype=np.uint8)  # only to check and to name what is there
    thin = [dataclasses.replace(sample, picture=square) for sample in samples]
    parts = _captioned(split([*thin, *held], "pictures", 1, skipped, data), spec, known)
    assert isinstance(parts.train, Captioned)
    train = AspectPictures(
        f"{parts.train.name}-aspect",
        side,
        tuple(sample.picture for sample in samples),
        torch.from_numpy(parts.train.tokens),
        parts.train.vocabulary,
        parts.train.book,
    )
    return dataclasses.replace(parts, train=train, groups=train.groups)
