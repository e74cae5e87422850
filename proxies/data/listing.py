"""List captioned pictures: of a folder, a tar, a folder of tars or a pattern of tars.

In a folder each picture has its caption beside it (``cat.jpg`` and ``cat.txt``, or a ``cat.json``
with a ``caption``); tars in the folder are opened (:mod:`proxies.data.tar_shards`). Entries are
sorted by key, so the same pictures in a folder and in tars are the same data.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as name:
...     for file in ("b.png", "a.jpg", "a.txt", "notes.md"):
...         _ = (Path(name) / file).write_bytes(b"")
...     [(entry.key, entry.caption is not None) for entry in list_pictures(name).entries]
[('a', True), ('b', False)]
"""

import glob
from dataclasses import dataclass
from pathlib import Path

from proxies.data.entries import CAPTIONS, SUFFIXES, Blob, Entry, Skipped
from proxies.data.tar_shards import expand, tar_entries
from search_space.errors import WalkbenchError


@dataclass(frozen=True)
class Listing:
    """Pictures sorted by key, not read yet, and the files that hold none."""

    source: str
    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]


def list_pictures(images: str | Path) -> Listing:
    """Return the pictures that ``images`` names: a folder, a .tar, or a pattern of tars.

    A pattern has ``{000000..000011}`` ranges, of which every file must exist, or ``*`` and ``?``.
    Raises :class:`WalkbenchError` when nothing is there.
    """
    source, path = str(images), Path(images)
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    if path.is_dir():
        entries, skipped = _folder(path)
        tars = sorted(path.rglob("*.tar"))
    else:
        tars = [path] if path.is_file() else _matching(source)
    for tar in tars:
        found, broken = tar_entries(tar)
        entries += found
        skipped += broken
    entries.sort(key=lambda entry: (entry.key, entry.path))
    return Listing(source, tuple(entries), tuple(skipped))


def _folder(folder: Path) -> tuple[list[Entry], list[Skipped]]:
    entries, skipped = [], []
    for file in sorted(folder.rglob("*")):
        suffix, name = file.suffix.lower(), file.relative_to(folder)
        if suffix not in SUFFIXES or file.is_dir():
            continue
        if not file.is_file():
            skipped.append(Skipped(name.as_posix(), "no file: a link to nothing"))
            continue
        beside = (Blob(file.with_suffix(end), end) for end in CAPTIONS)
        caption = next((blob for blob in beside if blob.file.is_file()), None)
        key = name.with_suffix("").as_posix()
        entries.append(Entry(key, name.as_posix(), Blob(file, suffix), caption))
    return entries, skipped


def _matching(pattern: str) -> list[Path]:
    names = expand(pattern)
    files = [Path(file) for name in names for file in _named(name)]
    if not files:
        raise WalkbenchError(
            f"images {pattern!r} is not a folder, a .tar file or a pattern that matches any; name "
            "one that exists"
        )
    return files


def _named(name: str) -> list[str]:
    if glob.has_magic(name):
        return sorted(glob.glob(name))
    if "{" not in name and Path(name).suffix == ".tar" and not Path(name).is_file():
        raise WalkbenchError(
            f"shard {name!r} does not exist; name the shards that do, or check the folder"
        )
    return [name] if Path(name).is_file() else []
