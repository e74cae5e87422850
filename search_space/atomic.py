"""Write files and folders whole or not at all: a kill or a full disk leaves what was there before.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as name:
...     path = Path(name) / "note.txt"
...     with atomic_write(path) as partial:
...         _ = partial.write_text("whole")
...     path.read_text(), [p.name for p in Path(name).iterdir()]
('whole', ['note.txt'])
"""

import glob
import os
import shutil
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from search_space.errors import WalkbenchError

PARTIAL, REPLACED = ".partial", ".replaced"  # being written; about to be removed


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; the file written there replaces ``path`` on success.

    The data reach the disk before the rename. After an exception ``path`` is unchanged and the
    temporary file is gone; the next call removes what a killed process left. Processes that write
    the same ``path``, on one machine or several, do not share a temporary file. A symbolic link is
    followed; a device or pipe, such as ``/dev/stdout``, is written directly.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        yield path
        return
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(13, "Permission denied", str(path))
    partial = _beside(target, PARTIAL)
    _remove_orphans(target)
    try:
        yield partial
        _sync(partial)
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, replaces: Collection[str] | None = None) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path`` that becomes ``path`` on success.

    An existing ``path`` is replaced; with ``replaces``, only its entries of these names are, and
    the others move over. Missing parents are created. Kills, exceptions and several processes are
    handled as in :func:`atomic_write`.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    work, old = _beside(target, PARTIAL), _beside(target, REPLACED)
    _remove_orphans(target)
    try:
        work.mkdir()
        yield work
        if replaces is not None and target.is_dir():
            _carry_over(target, work, leaving=replaces)
        for file in work.rglob("*"):
            if file.is_file():
                _sync(file)
        if target.is_dir() and any(target.iterdir()):
            target.rename(old)
        work.replace(target)  # also over an empty folder
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        for left in (work, old):
            shutil.rmtree(left, ignore_errors=True)


def write_file(path: Path, content: str | bytes) -> None:
    """Write ``content`` to ``path`` with :func:`atomic_write`, creating missing parents.

    Raises :class:`WalkbenchError` when the file cannot be written; the one before is kept.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            partial.write_bytes(data)
    except OSError as error:
        raise WalkbenchError(
            f"cannot write {str(path)!r}: {error.strerror}; name a file in a folder that you can "
            "write to and that has room"
        ) from None


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}{suffix}")


def _remove_orphans(target: Path) -> None:
    """Remove what killed processes of this host left beside ``target``, and restore ``target``."""
    mine = glob.escape(f".{target.name}.{socket.gethostname()}")
    for suffix in (REPLACED, PARTIAL):
        for left in target.parent.glob(f"{mine}.*{suffix}"):
            if _is_running(left):
                continue
            if suffix == REPLACED and not target.exists():
                left.rename(target)  # killed between the two renames
            elif left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _carry_over(folder: Path, work: Path, leaving: Collection[str]) -> None:
    """Link everything in ``folder`` but the entries ``leaving`` into ``work``."""
    for entry in folder.iterdir():
        if entry.name in leaving:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, work / entry.name, symlinks=True, copy_function=_link)
        else:
            _link(str(entry), str(work / entry.name))


def _link(source: str, to: str) -> None:
    try:
        os.link(source, to, follow_symlinks=False)
    except OSError:  # a file system without hard links
        shutil.copy2(source, to, follow_symlinks=False)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _is_running(partial: Path) -> bool:
    """Whether the process that a temporary name of this machine contains still runs."""
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
