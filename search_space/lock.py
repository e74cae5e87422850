"""One process at a time in a folder: a lock that goes with the process that holds it.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as name:
...     with alone(Path(name), "somebody works here"):
...         with alone(Path(name), "somebody works here"):
...             pass
Traceback (most recent call last):
search_space.errors.WalkbenchError: somebody works here
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from search_space.errors import WalkbenchError


@contextmanager
def alone(folder: Path, otherwise: str) -> Iterator[None]:
    """Hold ``folder``, made where it is missing; raise ``otherwise`` while another holds it.

    A killed process holds nothing. Raises :class:`WalkbenchError` for a folder that is held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise WalkbenchError(otherwise) from None
    try:
        yield
    finally:
        lock.release()
