"""Training and validation parts of one data set, split by a hash of the keys.

A tenth is held out. Adding pictures moves none between the parts, and the same pictures in another
container give the same split. The vocabulary is made of
the training part's captions. The data set is named by its content, because losses of different data
must not compare.

>>> black = np.zeros((24, 24, 3), dtype=np.uint8)
>>> parts = split([Sample(f"{i}", black, "a dark picture") for i in range(40)], "pictures")
>>> len(parts.train), len(parts.validation), parts.train.vocabulary
(36, 4, 5)
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from proxies.data.dataset import Captioned
from proxies.data.entries import Sample, Skipped, words
from proxies.data.training_data import TrainingData
from search_space.errors import WalkbenchError

TOKENS = 24  # words of a caption that are read
WORDS = 4096  # of the vocabulary: the most frequent ones
PAD, UNKNOWN = 0, 1
VALIDATION_PERCENT = 10
LEAST = 2  # pictures in each part

D = TypeVar("D", bound=TrainingData)


@dataclass(frozen=True, eq=False)
class Parts(Generic[D]):
    """Training and validation data with one name, and the skipped pictures."""

    train: D
    validation: D
    skipped: tuple[Skipped, ...] = ()


def held_out(key: str) -> bool:
    """Whether the picture with this key belongs to the validation part."""
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % 100 < VALIDATION_PERCENT


def split(
    samples: Sequence[Sample],
    kind: str,
    tokens: int = TOKENS,
    skipped: Sequence[Skipped] = (),
    source: str = "",
    *,
    captions: bool = True,
) -> Parts[Captioned]:
    """Return both parts of ``samples`` as data named ``kind`` and a digest of their content.

    Raises :class:`WalkbenchError` when a part has fewer than two pictures, naming ``source`` and
    the first that were skipped, and what is needed: with ``captions`` or without.
    """
    parts = {held: [s for s in samples if held_out(s.key) == held] for held in (False, True)}
    check_enough(source or kind, len(parts[False]), len(parts[True]), skipped, captions=captions)
    counted = Counter(word for sample in parts[False] for word in words(sample.caption))
    ranked = sorted(counted, key=lambda word: (-counted[word], word))[: WORDS - 2]
    ids = {word: i for i, word in enumerate(ranked, start=2)}
    name = f"{kind}-{_digest(samples)}"
    train, validation = (_captioned(parts[held], name, ids, tokens) for held in (False, True))
    return Parts(train, validation, tuple(skipped))


def check_enough(
    source: str,
    train: int,
    validation: int,
    skipped: Sequence[Skipped],
    *,
    captions: bool = True,
) -> None:
    """Raise :class:`WalkbenchError` unless both parts have enough pictures to train and score."""
    if min(train, validation) >= LEAST:
        return
    listed = "; ".join(f"{s.path}: {s.reason}" for s in skipped[:3]) or "nothing was skipped"
    beside = ", each with its caption in a .txt or .json beside it" if captions else ""
    raise WalkbenchError(
        f"{source!r} has {train} usable pictures for training and {validation} for validation, "
        f"{LEAST} of each are needed; give more pictures{beside} "
        f"({len(skipped)} skipped; {listed})"
    )


def _digest(samples: Sequence[Sample]) -> str:
    total = hashlib.sha256()
    for sample in samples:
        total.update(f"{sample.key}\0{sample.caption}\0".encode() + sample.picture.tobytes())
    return total.hexdigest()[:12]


def _captioned(part: Sequence[Sample], name: str, ids: dict[str, int], tokens: int) -> Captioned:
    numbers = np.full((len(part), tokens), PAD, dtype=np.int64)
    for row, sample in zip(numbers, part, strict=True):
        known = [ids.get(word, UNKNOWN) for word in words(sample.caption)[:tokens]]
        row[: len(known)] = known
    return Captioned(
        name,
        np.stack([sample.picture for sample in part]),
        numbers,
        np.array([sample.label for sample in part], dtype=np.int64),
        tuple(sample.caption for sample in part),
        len(ids) + 2,
    )
