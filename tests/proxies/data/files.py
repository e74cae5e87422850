"""Captioned pictures on disk, in a folder or packed into a tar as webdataset wants it."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def fill(folder: Path, count: int, start: int = 0) -> Path:
    """Put pictures of noise and captions into ``folder``: 000.png, 000.txt, 001.png, …"""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(start)
    for i in range(start, start + count):
        pixels = rng.integers(0, 256, size=(20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
        (folder / f"{i:03}.txt").write_text(f"Picture, number {i % 3}!", encoding="utf-8")
    return folder


def pack(folder: Path, tar: Path, wanted: Callable[[str], bool] = lambda name: True) -> Path:
    """Write the files of ``folder`` whose names are wanted into ``tar``, in order."""
    with tarfile.open(tar, "w") as archive:
        for file in sorted(folder.iterdir()):
            if wanted(file.name):
                archive.add(file, file.name)
    return tar
