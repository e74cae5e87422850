"""Progress of a measurement on stderr: what is being timed, and the time left."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

KEY_WIDTH = 60


class MeasureProgress:
    """Two bars, one after the other: making graphs ready, then timing them."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[key]}"),
            console=console,
            speed_estimate_period=600,  # blocks last from milliseconds to minutes
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "MeasureProgress":
        return self

    def __exit__(self, *error: object) -> None:
        if self._tasks:
            self._bar.stop()

    def preparing(self, done: int, total: int, key: str) -> None:
        """One more graph is ready."""
        self._show("making graphs", done, total, key)

    def visited(self, done: int, total: int, key: str) -> None:
        """``done`` visits lie behind, the one to ``key`` begins."""
        self._show("measuring", done, total, key)

    def _show(self, what: str, done: int, total: int, key: str) -> None:
        if not self._tasks:
            self._bar.start()  # not before: a refused run shows its reason and nothing else
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total, key="")
        self._bar.update(self._tasks[what], completed=done, total=total, key=key[:KEY_WIDTH])
