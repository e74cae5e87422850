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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search_space.atomic import atomic_folder
from search_space.errors import WalkbenchError


@contextmanager
def package_at(final: Path) -> Iterator[Path]:
    """Yield a path with the suffix of ``final``, on which libraries insist.

    The folder that is written there becomes ``final`` on success; after an exception nothing of it
    remains.
    """
    with atomic_folder(final) as work:
        made = work / f"new{final.suffix}"
        yield made
        for entry in made.iterdir():
            entry.rename(work / entry.name)
        made.rmdir()


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into a :class:`WalkbenchError` that says what to do."""
    try:
        yield
    except OSError as error:
        full = error.errno == errno.ENOSPC
        hint = "free some space (also in the temporary folder)" if full else "choose another folder"
        raise WalkbenchError(
            f"cannot write to {str(folder)!r}: {error.strerror or error}; {hint} and run the "
            "command again, complete parts are kept"
        ) from None
