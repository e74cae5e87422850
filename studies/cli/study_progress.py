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

from studies.cli.study_table import latency_text


class StudyProgress:
    """A `studies.runner.Watch` that draws; use it as a context manager around the run."""

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

    def trial_ended(self, row: dict[str, Any], done: int, total: int) -> None:
        """Print what became of the trial."""
        self.done = done
        text = f"{done:>4}/{total}  trial {row['trial']}: {_sentence(row)}"
        self.console.print(text, soft_wrap=True, markup=False)
        self.bar.update(self.task, completed=done, total=total, description="trials")


def _sentence(row: dict[str, Any]) -> str:
    design = row["name"] or row["digest"] or "no design"
    parts = [f"latency {latency_text(row['latency'])} ms"] if row["latency"] else []
    if row["feasible"] is False:
        over = ", ".join(f"{k} by {100 * v:.1f} %" for k, v in row["constraints"].items() if v > 0)
        parts.append(f"over budget ({over})")
    if row["state"] == "PRUNED":
        parts.append("not trained")
    elif row["failed"]:
        parts.append(f"failed: {row['failed']}")
    elif row["score"]:
        parts.insert(0, f"loss {row['score']['value']:.4f}")
        if row["score"]["reused_from"] is not None:
            parts.append(f"score of trial {row['score']['reused_from']}")
    return f"{design}, {', '.join(parts)}" if parts else design
