"""Captioned pictures in tar files, as webdataset writes them.

A shard holds files that belong together under one key: ``000123.jpg`` beside ``000123.txt`` or a
``000123.json`` with a ``caption``. As in webdataset, the key is the path up to the first dot of the
file's name.

The standard library's `tarfile` reads the headers and this module keeps where each file's bytes
begin. The webdataset package is made for streams: it hands out samples in passing, drops what it
cannot read with a warning, and knows no number of samples beforehand. Here every picture must be
listed, counted and found again: for the hold-out, for the list of what was skipped, and for a cache
that goes on where it was killed.

>>> expand("shards-{000008..000011}.tar")
['shards-000008.tar', 'shards-000009.tar', 'shards-000010.tar', 'shards-000011.tar']
"""

import itertools
import re
import tarfile
from pathlib import Path, PurePosixPath

from proxies.data.entries import CAPTIONS, SUFFIXES, Blob, Entry, Skipped
from search_space.errors import WalkbenchError

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST = 1_000_000  # shards: more is a slip of the pen


def expand(pattern: str) -> list[str]:
    """Return the names that ``{first..last}`` ranges in ``pattern`` stand for, with their zeros.

    Raises :class:`WalkbenchError` for a range that runs backwards or is too long.
    """
    parts = _RANGE.split(pattern)  # text, first, last, text, first, last, text
    choices: list[list[str]] = [[parts[0]]]
    for first, last, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        if not int(first) <= int(last) < int(first) + _MOST:
            raise WalkbenchError(
                f"range {{{first}..{last}}} in {pattern!r} holds no shards or too many; write "
                "{000000..000011}, the smaller number first"
            )
        width = len(first)
        choices.append([f"{n:0{width}}{text}" for n in range(int(first), int(last) + 1)])
    return ["".join(parts) for parts in itertools.product(*choices)]


def tar_entries(tar: Path) -> tuple[list[Entry], list[Skipped]]:
    """Return the pictures of one tar, and what of the tar itself cannot be read.

    A tar that ends too early gives what lies before its end.
    """
    pictures: list[tuple[str, str, Blob]] = []  # key, path, bytes
    captions: dict[tuple[str, str], Blob] = {}
    skipped: list[Skipped] = []
    try:
        with tarfile.open(tar, "r:") as archive:
            for member in archive:
                key, suffix = split_name(member.name)
                if not member.isfile():
                    continue
                blob = Blob(tar, suffix, member.offset_data, member.size)
                path = f"{tar.name}/{member.name}"
                if suffix in SUFFIXES:
                    pictures.append((key, path, blob))
                elif suffix in CAPTIONS:
                    captions[key, suffix] = blob
                elif suffix.endswith(SUFFIXES):
                    skipped.append(Skipped(path, f"{suffix} in its name: another kind of file"))
    except (tarfile.TarError, OSError, EOFError) as error:
        found = f"after {len(pictures)} pictures" if pictures else "from its beginning"
        skipped.append(Skipped(tar.name, f"broken or compressed tar, {found}: {error}"))
    entries = [
        Entry(key, path, blob, captions.get((key, ".txt")) or captions.get((key, ".json")))
        for key, path, blob in pictures
    ]
    return entries, skipped


def split_name(name: str) -> tuple[str, str]:
    """Return the key and the suffix of a file in a tar.

    >>> split_name("./cats/0001.JPG"), split_name("a.seg.png")
    (('cats/0001', '.jpg'), ('a', '.seg.png'))
    """
    path = PurePosixPath(name)
    stem, dot, rest = path.name.partition(".")
    return str(path.with_name(stem or "_")), f"{dot}{rest}".lower()
