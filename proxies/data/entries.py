"""A captioned picture before it is read: the place of its bytes, and reasons to skip it.

Pictures in folders and in tars are byte ranges of files; all of them are read here. A picture that
cannot be used is skipped with its reason and stops nothing: one without a caption, with a caption
that is no text, or with bytes that are no picture.

>>> import tempfile
>>> from PIL import Image
>>> with tempfile.TemporaryDirectory() as name:
...     Image.new("RGB", (40, 30), (9, 0, 0)).save(Path(name) / "cat.png")
...     _ = (Path(name) / "cat.txt").write_text("a dark picture", encoding="utf-8")
...     there = {s: Blob(Path(name) / f"cat{s}", s) for s in (".png", ".txt")}
...     found = read(Entry("cat", "cat.png", there[".png"], there[".txt"]), size=24)
>>> found.caption, found.picture.shape
('a dark picture', (24, 24, 3))
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
CAPTIONS = (".txt", ".json")  # in order of preference


@dataclass(frozen=True)
class Blob:
    """A file's bytes, or ``size`` of them from ``offset``: what a member of a tar is."""

    file: Path
    suffix: str  # of what the bytes are, lower case
    offset: int = 0
    size: int = -1  # to the end

    def read(self) -> bytes:
        """Return the bytes; raises `OSError`."""
        with self.file.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    def length(self) -> int:
        """Return how many bytes there are, without reading them; raises `OSError`."""
        return self.file.stat().st_size if self.size < 0 else self.size


@dataclass(frozen=True)
class Entry:
    """A picture and its caption, not read yet.

    ``key`` is the path without suffix: it decides which part the picture belongs to. ``path`` is
    shown to people.
    """

    key: str
    path: str
    picture: Blob
    caption: Blob | None


@dataclass(frozen=True)
class Skipped:
    """A file that was not used, and why."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture (S, S, 3) as bytes, its caption, and its class where the data has any."""

    key: str
    picture: NDArray[np.uint8]
    caption: str
    label: int = 0


Sides = Callable[[int, int], tuple[int, int]]  # width and height of a picture to those read


def read(entry: Entry, size: int | Sides) -> Sample | Skipped:
    """Return the middle square of the picture, scaled to ``size`` × ``size``, or why not.

    Where ``size`` is a function, it says of width and height of the picture which to scale it to.
    """
    caption = read_caption(entry)
    if isinstance(caption, Skipped):
        return caption
    picture = read_picture(entry, size)
    if isinstance(picture, Skipped):
        return picture
    return Sample(entry.key, picture, caption)


def words(caption: str) -> list[str]:
    """Return the words of a caption, lower case, without punctuation."""
    return "".join(c if c.isalnum() else " " for c in caption.lower()).split()


def read_caption(entry: Entry) -> str | Skipped:
    """Return the caption, or why there is none."""
    blob = entry.caption
    if blob is None:
        return Skipped(entry.path, "no caption")
    try:
        caption: Any = blob.read().decode("utf-8-sig")
        if blob.suffix == ".json":
            caption = json.loads(caption)["caption"]
    except (KeyError, TypeError):
        return Skipped(entry.path, "no caption in its .json")
    except (OSError, ValueError, RecursionError):  # not UTF-8 and not JSON are ValueErrors
        return Skipped(entry.path, "caption cannot be read")
    if not isinstance(caption, str) or not words(caption):
        return Skipped(entry.path, "empty caption")
    return caption.strip()


def read_picture(entry: Entry, size: int | Sides | None = None) -> NDArray[np.uint8] | Skipped:
    """Return the middle square of the picture, scaled to ``size`` × ``size``, or why not.

    Without ``size`` it keeps its pixels.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(entry.picture.read())) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            side = size or min(upright.size)
            sides = (side, side) if isinstance(side, int) else side(*upright.size)
            square = ImageOps.fit(upright, sides, Image.Resampling.BICUBIC)
    except Image.DecompressionBombError:
        return Skipped(entry.path, f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels")
    except Exception:  # decoders raise whatever they like at bytes that are no picture
        return Skipped(entry.path, "broken picture")
    return np.asarray(square, dtype=np.uint8)
