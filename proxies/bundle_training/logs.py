"""`Logs`: the curve of a run as `log.csv` and for TensorBoard.

A run that goes on from a checkpoint drops the lines that it is about to write again.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from search_space.atomic import atomic_write
from search_space.errors import WalkbenchError

FILE, BOARD = "log.csv", "tensorboard"
COLUMNS = ("step", "loss", "validation_loss", "rate", "seconds", "pictures_per_second")


class Logs:
    """Writes both below ``folder``, with ``more`` columns; :meth:`close` when done."""

    def __init__(self, folder: Path, step: int, more: Sequence[str] = ()) -> None:
        self.path, self.columns = folder / FILE, (*COLUMNS, *more)
        kept = [row for row in read_log(folder) if int(row["step"]) <= step]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(self.path) as partial, partial.open("w", newline="") as file:
                writer = csv.DictWriter(file, self.columns, lineterminator="\n")
                writer.writeheader()
                writer.writerows(kept)
        except OSError as error:
            raise WalkbenchError(
                f"log {str(self.path)!r} cannot be written: {error.strerror}; name another folder "
                "with --to"
            ) from None
        self.board: Any = _board(folder / BOARD, step)

    def add(self, row: dict[str, Any]) -> None:
        """Append a line; ``row`` may lack columns."""
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(row)
        if self.board is not None:
            for name in self.columns[1:]:
                if name in row:
                    self.board.add_scalar(name, row[name], row["step"])

    def close(self) -> None:
        """Flush what TensorBoard reads."""
        if self.board is not None:
            self.board.close()


def read_log(folder: Path) -> list[dict[str, str]]:
    """Return the lines of a run's log, oldest first; none where there is none."""
    try:
        with (folder / FILE).open(newline="") as file:
            return [row for row in csv.DictReader(file) if row["step"]]
    except FileNotFoundError:
        return []


def _board(folder: Path, step: int) -> Any:
    """Return TensorBoard's writer, None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
