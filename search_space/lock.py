"""One process at a time in a folder: a lock that its holder's death releases.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as name:
...     with exclusive(Path(name), "another run uses it"):
...         with exclusive(Path(name), "another run uses it"):
...             pass
Traceback (most recent call last):
search_space.errors.WalkbenchError: another run uses it
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from search_space.errors import WalkbenchError


@contextmanager
def exclusive(folder: Path, message: str) -> Iterator[None]:
    """Hold the lock of ``folder``, which is created if missing.

    Raises :class:`WalkbenchError` with ``message`` while another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise WalkbenchError(message) from None
    try:
        yield
    finally:
        lock.release()
