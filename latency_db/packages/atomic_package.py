"""Packages that libraries write appear whole or not at all, and a full disk is one readable line.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as name:
...     with package_at(Path(name) / "Unet.mlpackage") as made:
...         made.mkdir()
...         _ = (made / "Manifest.json").write_text("{}")
...     [path.name for path in Path(name).rglob("*")]
['Unet.mlpackage', 'Manifest.json']
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search_space.atomic import atomic_folder
from search_space.errors import WalkbenchError

_TMPDIR = "TMPDIR"


@contextmanager
def package_at(final: Path) -> Iterator[Path]:
    """Yield a path with the suffix of ``final``, on which libraries insist.

    The folder that is written there becomes ``final`` on success; after an exception nothing of it
    remains, and nothing of the temporary files that libraries make on the way, here and in
    processes that are started meanwhile: they are gigabytes, and lie beside it.
    """
    with atomic_folder(final) as work:
        made, scratch = work / f"new{final.suffix}", work / "temporary"
        scratch.mkdir()
        with _temporary_files_in(scratch):
            yield made
        shutil.rmtree(scratch)
        for entry in made.iterdir():
            entry.rename(work / entry.name)
        made.rmdir()


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    before, variable = tempfile.tempdir, os.environ.get(_TMPDIR)
    tempfile.tempdir = os.environ[_TMPDIR] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        if variable is None:
            del os.environ[_TMPDIR]
        else:
            os.environ[_TMPDIR] = variable


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into a :class:`WalkbenchError` that says what to do."""
    try:
        yield
    except OSError as error:
        full = error.errno == errno.ENOSPC
        hint = "free some space" if full else "choose another folder"
        raise WalkbenchError(
            f"cannot write to {str(folder)!r}: {error.strerror or error}; {hint} and run the "
            "command again, complete parts are kept"
        ) from None
