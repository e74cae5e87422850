"""Give a file its name only when it is complete: a kill or a full disk leaves the one before.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as name:
...     path = Path(name) / "note.txt"
...     with replacing(path) as partial:
...         _ = partial.write_text("whole")
...     path.read_text(), [p.name for p in Path(name).iterdir()]
('whole', ['note.txt'])
"""

import glob
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a name to write to beside ``path``; what lies there replaces ``path`` afterwards.

    The data are on disk before the name changes. After any exception the file before is untouched
    and the partial one is gone; what a killed process left is taken away by the next one here.
    Processes that write the same ``path``, on one machine or many, do not meet.
    """
    here = f".{path.name}.{socket.gethostname()}"
    partial = path.with_name(f"{here}.{os.getpid()}.partial")
    for old in path.parent.glob(f"{glob.escape(here)}.*.partial"):
        if not _lives(old):
            old.unlink(missing_ok=True)
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _lives(partial: Path) -> bool:
    """Whether the process that is named by a partial file of this machine still runs."""
    number = partial.name.split(".")[-2]
    if not number.isdigit():
        return True  # not one of ours
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True
