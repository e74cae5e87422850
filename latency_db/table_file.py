"""Tables on disk: append-only CSV that a kill leaves readable, and a reader that refuses damage.

Every row is one `write` of one line, flushed to the disk before the next block is timed. A run that
dies loses at most the line it was writing; opening the file again for writing cuts such a torn end
off, and reading it names the line.

>>> import tempfile
>>> from latency_db.table_row import MeasuringConditions, Row
>>> key = "conv_in in_channels=4 out_channels=64 size=32"
>>> row = Row.of(key, MeasuringConditions("cpu"), {1: [1.0]}, run="a")
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "cpu.csv"
...     with TableWriter(path) as writer:
...         writer.append(row)
...     read_rows(path) == [row]
True
"""

import csv
import fcntl
import io
import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Self

from latency_db.table_row import COLUMNS, Row, parse_row
from search_space.errors import WalkbenchError, raise_unknown

csv.field_size_limit(1 << 24)  # a network's spec and its samples are longer than csv's default


class TableWriter:
    """Appends rows to one CSV; a context manager that holds the file for itself.

    Raises :class:`WalkbenchError` when the file cannot be written, holds something other than a
    table, or is being written by another run.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise WalkbenchError(
                f"table {path}: {error.strerror}; name a file that can be written"
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise WalkbenchError(
                f"table {path} is being written by another run; wait for it or name another file"
            ) from None
        self._start()

    def append(self, row: Row) -> None:
        """Write one row and wait until the disk has it."""
        self._write(_line(list(row.cells().values())))

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> None:
        """Write the header into a new file, cut a torn line off an old one."""
        content = self.path.read_bytes()
        header = _line(list(COLUMNS))
        complete = content[: content.rfind(b"\n") + 1]
        if not complete and header.startswith(content):
            os.ftruncate(self._file, 0)
            self._write(header)
        elif not complete.startswith(header):
            self.close()
            raise WalkbenchError(
                f"{self.path} is not a latency table of this version; name a new file"
            )
        elif len(complete) < len(content):
            os.ftruncate(self._file, len(complete))

    def _write(self, line: bytes) -> None:
        try:
            written = os.write(self._file, line)
            os.fsync(self._file)
        except OSError as error:
            raise WalkbenchError(
                f"table {self.path}: {error.strerror}; rows before this one are kept, free some "
                "space and go on with --resume"
            ) from None
        if written < len(line):
            raise WalkbenchError(
                f"table {self.path}: the disk is full; rows before this one are kept, free some "
                "space and go on with --resume"
            )


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a table in file order.

    Raises :class:`WalkbenchError` naming the file, the line and its key when the file is missing,
    empty, not a table, cut off in the middle of a line, or holds a damaged row.
    """
    text = _read_text(path)
    if not text.endswith("\n"):
        raise WalkbenchError(
            f"table {path} ends in the middle of line {text.count(chr(10)) + 1}, a run was cut "
            "off: `walkbench latency measure --resume` mends it, or delete that line"
        )
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
    if missing:
        raise WalkbenchError(
            f"{path} is not a latency table: it has no column {missing[0]!r}; tables measured "
            "elsewhere come in with `walkbench latency import`"
        )
    rows = [parse_row(cells, f"{path.name} line {i}") for i, cells in enumerate(reader, start=2)]
    if not rows:
        raise WalkbenchError(f"table {path} holds no rows yet; run `walkbench latency measure`")
    return rows


def unfinished_rows(path: Path) -> list[Row]:
    """Return the rows a run left in ``path``, none if it does not exist, a torn end left out."""
    if not path.exists():
        return []
    with TableWriter(path):  # cuts the torn end off, or says who else is writing
        pass
    return [] if path.read_bytes().count(b"\n") < 2 else read_rows(path)


def shipped_tables() -> dict[str, Path]:
    """Return the tables that come with Walkbench, by name."""
    folder = Path(str(files("latency_db"))) / "tables"
    return {path.stem: path for path in sorted(folder.glob("*.csv"))}


def table_path(name_or_path: str | Path) -> Path:
    """Return the path of a shipped table's name or of a file; raises on neither."""
    shipped = shipped_tables()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path)
    if path.suffix != ".csv" and not path.is_file():
        raise_unknown("latency table", str(name_or_path), shipped)
    return path


def _read_text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise WalkbenchError(f"table {path} is not text; name a CSV file") from None
    except OSError as error:
        raise WalkbenchError(
            f"table {path}: {error.strerror}; name a readable CSV, or one of "
            f"{', '.join(shipped_tables()) or 'none shipped'}"
        ) from None
    if not text.strip():
        raise WalkbenchError(f"table {path} is empty; run `walkbench latency measure` to fill it")
    return text


def _line(cells: Sequence[str]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().encode()
