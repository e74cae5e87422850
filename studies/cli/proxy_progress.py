"""The progress bar of one proxy run: steps, the latest loss, the time left, on stderr.

>>> from types import SimpleNamespace
>>> with TrainingBar() as bar:
...     bar(SimpleNamespace(share=0.5, step=10, loss=0.4, seconds_left=2.0))
"""

from typing import Any, Self

from studies.cli.output import err
from studies.interrupt import Interrupt


class TrainingBar:
    """A bar moved by :class:`proxies.callbacks.Report`; it also checks for a lost Ctrl-C.

    PyTorch runs Python from C++ in places, where a `KeyboardInterrupt` is printed and dropped.
    """

    def __init__(self, interrupt: Interrupt | None = None) -> None:
        self.interrupt = interrupt

    def __enter__(self) -> Self:
        from rich.progress import BarColumn, Progress, TextColumn

        self.bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("step {task.fields[step]}  loss {task.fields[loss]:.3f}"),
            TextColumn("{task.fields[left]:.0f} s left"),
            console=err,
            transient=True,
        )
        self.task = self.bar.add_task("", total=1.0, step=0, loss=float("nan"), left=float("nan"))
        self.bar.start()
        return self

    def __call__(self, state: Any) -> None:
        """Show ``state``, a :class:`proxies.callbacks.Progress`."""
        if self.interrupt is not None:
            self.interrupt.check()
        self.bar.update(
            self.task,
            completed=state.share,
            step=state.step,
            loss=state.loss,
            left=state.seconds_left,
        )

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
