"""Progress of a running study on stderr: one line for every trial, and a bar with the time left."""

from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from studies.metrics import all_metrics
from studies.records import TrialRecord


class StudyProgress:
    """A `studies.runner.Watch` with a progress bar; a context manager around the run."""

    def __init__(self, console: Console, done: int, total: int) -> None:
        self.console, self.done = console, done
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            speed_estimate_period=900,  # trials last seconds to minutes
        )
        self.task = self.bar.add_task("trials", total=total, completed=done)

    def __enter__(self) -> "StudyProgress":
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def training(self, progress: Any) -> None:
        """Advance the bar within a trial."""
        text = f"training, step {progress.step}, loss {progress.loss:.3f}"
        self.bar.update(self.task, completed=self.done + progress.share, description=text)

    def trial_ended(self, trial: TrialRecord, done: int, total: int) -> None:
        """Print how the trial ended."""
        self.done = done
        text = f"{done:>4}/{total}  trial {trial.number}: {_sentence(trial)}"
        self.console.print(text, soft_wrap=True, markup=False)
        self.bar.update(self.task, completed=done, total=total, description="trials")


def _sentence(trial: TrialRecord) -> str:
    design = trial.name or trial.digest or "no design"
    if trial.rung:
        design += f", rung {trial.rung + 1}"
    parts = [
        f"{metric.phrase} {metric.write(trial.stored[metric.name])}"
        for metric in all_metrics()
        if metric.name in trial.stored
    ]
    if trial.feasible is False:
        over = [f"{k} by {100 * v:.1f} %" for k, v in trial.constraints.items() if v > 0]
        parts.append(f"over budget ({', '.join(over)})")
    if trial.state == "PRUNED":
        parts.append("not trained")
    elif trial.failed:
        parts.append(f"failed: {trial.failed}")
    elif trial.trained_by is not None:
        parts.append(f"score of trial {trial.trained_by}")
    elif trial.cached_from is not None:
        parts.append(f"score of {trial.cached_from}")
    return f"{design}, {', '.join(parts)}" if parts else design
