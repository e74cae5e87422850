"""Sets of pictures to compare: a folder's files, read as they are needed, or procedural ones.

Only a batch of a folder's pictures is in memory at a time. Files that are no pictures are skipped
and listed.

>>> real = procedural("shapes", count=3, start=2)
>>> [batch.shape for batch in real.batches(side=32)]
[(3, 32, 32, 3)]
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from proxies.data.dataset import shapes
from proxies.data.entries import Blob, Entry, Skipped, read_caption, read_picture
from proxies.data.listing import list_pictures
from proxies.data.scene_data import scene_pictures
from proxies.evaluation.layout import DrawnFile, read_dpg, read_geneval, read_plain
from proxies.evaluation.prompt_files import PromptSet
from search_space.errors import WalkbenchError

BATCH = 64


class PictureSet(Protocol):
    """Pictures that can be read again and again, scaled to any side."""

    def batches(self, side: int) -> Iterator[NDArray[np.uint8]]:
        """Yield pictures (B, side, side, 3), all of them in order."""
        ...


@dataclass(frozen=True)
class FolderSet:
    """Files of pictures; those that cannot be read are collected in ``skipped`` by path."""

    source: str
    files: tuple[tuple[Entry, DrawnFile], ...]
    skipped: dict[str, Skipped] = field(default_factory=dict)

    def pictures(self, side: int | None = None) -> Iterator[tuple[DrawnFile, NDArray[np.uint8]]]:
        """Yield each file with its picture, (side, side, 3), or in its own size."""
        for entry, drawn in self.files:
            found = read_picture(entry, side if drawn.quarter is None else None)
            if isinstance(found, Skipped):
                self.skipped[found.path] = found
                continue
            if drawn.quarter is not None:
                half = len(found) // 2
                y, x = half * (drawn.quarter // 2), half * (drawn.quarter % 2)
                found = _scaled(found[y : y + half, x : x + half], side)
            yield drawn, found

    def batches(self, side: int) -> Iterator[NDArray[np.uint8]]:
        """Yield pictures (B, side, side, 3)."""
        held: list[NDArray[np.uint8]] = []
        for _, picture in self.pictures(side):
            held.append(picture)
            if len(held) == BATCH:
                yield np.stack(held)
                held.clear()
        if held:
            yield np.stack(held)

    def side(self) -> int:
        """Return the side of the first readable picture; raises :class:`WalkbenchError`."""
        for _, picture in self.pictures():
            return len(picture)
        listed = "; ".join(f"{s.path}: {s.reason}" for s in list(self.skipped.values())[:3])
        raise WalkbenchError(
            f"{self.source!r} has no readable picture ({listed or 'no picture files'}); name a "
            "folder of .png, .jpg or .webp files"
        )


@dataclass(frozen=True)
class ProceduralSet:
    """Procedural pictures of the validation split, ``count`` of them from ``start`` on."""

    name: str
    count: int
    start: int

    def batches(self, side: int) -> Iterator[NDArray[np.uint8]]:
        """Yield pictures (B, side, side, 3)."""
        end = self.start + self.count
        if self.name == "shapes":
            images = shapes("validation", end, side).images
        else:
            images = scene_pictures(self.name, "validation", end, side).images
        for first in range(self.start, end, BATCH):
            yield images[first : min(first + BATCH, end)]


def procedural(name: str, count: int, start: int) -> ProceduralSet:
    """Return pictures of ``shapes``, ``crowd`` or ``scenes``."""
    return ProceduralSet(name, count, start)


def folder_set(source: str | Path, prompts: PromptSet | None = None, images: int = 1) -> FolderSet:
    """Return the pictures of a folder in GenEval's or DPG-Bench's layout, or just of a folder.

    DPG-Bench's layout is read where ``prompts`` are its own, ``images`` of each. Captions of other
    folders stand beside their pictures. Raises :class:`WalkbenchError` where nothing is there.
    """
    path = Path(source)
    drawn: tuple[DrawnFile, ...] = ()
    if path.is_dir():
        if prompts is not None and prompts.kind == "dpg":
            drawn = tuple(read_dpg(path, prompts.prompts, images))
        else:
            drawn = read_geneval(path) or read_plain(path)
    if drawn:
        return FolderSet(str(source), tuple((_entry(one.path, path), one) for one in drawn))
    listing = list_pictures(source)
    if not listing.entries:
        raise WalkbenchError(
            f"{str(source)!r} holds no pictures; name a folder of .png, .jpg or .webp files"
        )
    found = FolderSet(str(source), tuple((entry, _captioned(entry)) for entry in listing.entries))
    found.skipped.update({one.path: one for one in listing.skipped})
    return found


def _entry(path: Path, folder: Path) -> Entry:
    name = path.relative_to(folder).as_posix()
    return Entry(name, name, Blob(path, path.suffix), None)


def _captioned(entry: Entry) -> DrawnFile:
    caption = read_caption(entry)
    return DrawnFile(entry.picture.file, None if isinstance(caption, Skipped) else caption)


def _scaled(picture: NDArray[np.uint8], side: int | None) -> NDArray[np.uint8]:
    from PIL import Image

    if side is None or side == len(picture):
        return picture
    image = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.uint8)
