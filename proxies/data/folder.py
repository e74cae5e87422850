"""A user's own captioned pictures as training data, instead of the procedural shapes.

A folder holds pictures and beside each a text file of the same name with its caption
(``cat.jpg``, ``cat.txt``). What cannot be used is skipped and listed, never a reason to stop: a
picture without caption, a file that is not a picture. The vocabulary is made from the captions of
the training part. A tenth of the pictures, chosen by a hash of their names, is held out for
validation, so adding pictures moves none from one part to the other.

>>> import tempfile
>>> from PIL import Image
>>> with tempfile.TemporaryDirectory() as name:
...     for i in range(40):
...         Image.new("RGB", (40, 30), (i, 0, 0)).save(Path(name) / f"{i}.png")
...         _ = (Path(name) / f"{i}.txt").write_text("a dark picture", encoding="utf-8")
...     folder = image_folder(Path(name), size=24)
>>> len(folder.train) + len(folder.validation), folder.train.images.shape[1:], folder.skipped
(40, (24, 24, 3), ())
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxies.data.dataset import Captioned
from search_space.errors import WalkbenchError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
TOKENS = 24  # words of a caption that are read
WORDS = 4096  # of the vocabulary: the most frequent ones
PAD, UNKNOWN = 0, 1
VALIDATION_PERCENT = 10


@dataclass(frozen=True)
class Skipped:
    """A file that was not used, and why."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Folder:
    """What a folder gave: two parts with one vocabulary, and what was left out."""

    train: Captioned
    validation: Captioned
    skipped: tuple[Skipped, ...]


def image_folder(path: Path, size: int, tokens: int = TOKENS) -> Folder:
    """Return the pictures under ``path``, their middle squares scaled to ``size`` × ``size``.

    Raises :class:`WalkbenchError` when the folder does not exist, or when too little can be used:
    two pictures are needed in each part.
    """
    if not path.is_dir():
        raise WalkbenchError(f"image folder {str(path)!r} is not a folder; name one that exists")
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
    used: list[tuple[str, NDArray[np.uint8], str]] = []
    skipped: list[Skipped] = []
    for file in files:
        name = file.relative_to(path).as_posix()
        found = _load(file, size)
        if isinstance(found, str):
            skipped.append(Skipped(name, found))
        else:
            used.append((name, *found))
    parts = {held: [one for one in used if _held_out(one[0]) == held] for held in (False, True)}
    if min(map(len, parts.values())) < 2:
        listed = "; ".join(f"{s.path}: {s.reason}" for s in skipped[:3]) or "nothing was skipped"
        raise WalkbenchError(
            f"image folder {str(path)!r} has {len(parts[False])} usable pictures for training and "
            f"{len(parts[True])} for validation, 2 of each are needed; give more pictures with "
            f"captions in .txt files beside them ({listed})"
        )
    words = Counter(word for _, _, caption in parts[False] for word in _words(caption))
    ranked = sorted(words, key=lambda word: (-words[word], word))[: WORDS - 2]
    ids = {word: i for i, word in enumerate(ranked, start=2)}
    name = f"folder-{_digest(used)}"
    train, validation = (_captioned(parts[held], name, ids, tokens) for held in (False, True))
    return Folder(train, validation, tuple(skipped))


def _load(file: Path, size: int) -> tuple[NDArray[np.uint8], str] | str:
    """Return picture and caption, or why they cannot be used."""
    from PIL import Image, ImageOps

    text = file.with_suffix(".txt")
    if not text.is_file():
        return "no caption"
    try:
        caption = text.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return "caption cannot be read"
    if not _words(caption):
        return "empty caption"
    try:
        with Image.open(file) as image:
            picture = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return "broken picture"
    return np.asarray(picture, dtype=np.uint8), caption


def _words(caption: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in caption.lower()).split()


def _held_out(name: str) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100 < VALIDATION_PERCENT


def _digest(used: list[tuple[str, NDArray[np.uint8], str]]) -> str:
    """Name the data by its content: scores of different data must not compare."""
    total = hashlib.sha256()
    for name, picture, caption in used:
        total.update(f"{name}\0{caption}\0".encode() + picture.tobytes())
    return total.hexdigest()[:12]


def _captioned(
    part: list[tuple[str, NDArray[np.uint8], str]], name: str, ids: dict[str, int], tokens: int
) -> Captioned:
    numbers = np.full((len(part), tokens), PAD, dtype=np.int64)
    for row, (_, _, caption) in zip(numbers, part, strict=True):
        known = [ids.get(word, UNKNOWN) for word in _words(caption)[:tokens]]
        row[: len(known)] = known
    return Captioned(
        name,
        np.stack([picture for _, picture, _ in part]),
        numbers,
        np.zeros(len(part), dtype=np.int64),
        tuple(caption for _, _, caption in part),
        len(ids) + 2,
    )
