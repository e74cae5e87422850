"""Progress bars on stderr for work in phases: current item, elapsed and remaining time.

>>> import io
>>> with Phases(Console(file=io.StringIO())) as phases:
...     measured = phases.phase("measuring")
...     measured(1, 2, "conv_in")
"""

from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

NAME_WIDTH = 60
Tick = Callable[[int, int, str], None]  # done, total, name of the current item


class Phases:
    """Progress bars below each other; a bar appears with its first update."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[name]}"),
            console=console,
            speed_estimate_period=1800,  # pieces last from milliseconds to minutes
        )
        self._running = False

    def __enter__(self) -> "Phases":
        return self

    def __exit__(self, *error: object) -> None:
        if self._running:
            self._bar.stop()

    def phase(self, what: str) -> Tick:
        """Return the callback that reports progress of the phase ``what``."""
        task = None

        def tick(done: int, total: int, name: str) -> None:
            nonlocal task
            if not self._running:
                self._bar.start()  # not earlier: an error before the first update shows no bar
                self._running = True
            if task is None:
                task = self._bar.add_task(what, total=total, name="")
            self._bar.update(task, completed=done, total=total, name=name[:NAME_WIDTH])

        return tick
