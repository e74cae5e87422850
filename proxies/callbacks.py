"""Callbacks of a training run: validations on the way, checkpoints, progress.

A :class:`Callback` is told when a run starts, makes a step, is trained and is scored. What it
raises ends the run.

>>> class Count(Callback):
...     steps = 0
...     def stepped(self, trainer, before, spent):
...         self.steps += 1
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from proxies.checkpoint import restore, save
from proxies.score import Score

if TYPE_CHECKING:
    from proxies.trainer import Trainer

CHECKPOINT_SECONDS = 15.0  # between two checkpoints


class Callback:
    """Does nothing; subclasses override what they need."""

    def started(self, trainer: "Trainer") -> None:
        """Training is about to begin, or to go on."""

    def stepped(self, trainer: "Trainer", before: float, spent: float) -> None:
        """A step was taken; ``before`` and ``spent`` are shares of the budget around it, 0 to 1."""

    def trained(self, trainer: "Trainer") -> None:
        """The budget is spent or the run has failed; the score is not taken yet."""

    def scored(self, trainer: "Trainer", score: Score) -> None:
        """The run is at its end with ``score``."""


class Validation(Callback):
    """Takes the score at ``shares`` of the budget and adds it to the run's curve.

    The trainer puts it first, so that a checkpoint of the same step has the new point.
    """

    def __init__(self, shares: tuple[float, ...]) -> None:
        self.shares = shares

    def stepped(self, trainer: "Trainer", before: float, spent: float) -> None:
        """Validate once where a share was passed."""
        passed = any(before < share <= spent for share in self.shares)
        if passed and spent < 1 and not trainer.failed:
            score = trainer.score()
            trainer.curve.append((trainer.step, trainer.seconds, score.value))


class Checkpoints(Callback):
    """Goes on from ``path`` where it exists, and saves the run there every few ``seconds``.

    Raises :class:`WalkbenchError` for a checkpoint of another run.
    """

    def __init__(self, path: Path, seconds: float | None = None) -> None:
        self.path = path
        self.seconds = CHECKPOINT_SECONDS if seconds is None else seconds
        self.saved = math.nan

    def started(self, trainer: "Trainer") -> None:
        """Restore the run."""
        if self.path.exists():
            restore(trainer, self.path)
        self.saved = time.monotonic()

    def stepped(self, trainer: "Trainer", before: float, spent: float) -> None:
        """Save the run when it is time."""
        if time.monotonic() - self.saved >= self.seconds:
            self.trained(trainer)

    def trained(self, trainer: "Trainer") -> None:
        """Save the run, unless it has failed."""
        if not trainer.failed:
            save(trainer, self.path)
            self.saved = time.monotonic()


@dataclass(frozen=True)
class Progress:
    """Where a run is: steps, training seconds, share of the budget, and the latest losses.

    ``score`` is set at the end of the run; ``validation_loss`` right after a validation on the way.
    """

    step: int
    seconds: float
    share: float
    loss: float
    validation_loss: float | None = None
    score: Score | None = None

    @property
    def seconds_left(self) -> float:
        """Expected training seconds until the budget is spent."""
        return self.seconds * (1 - self.share) / self.share if self.share else math.inf


class AtEnd(Callback):
    """Calls ``act`` with the trained run after it is scored: to draw with the twin, for example."""

    def __init__(self, act: "Callable[[Trainer], None]") -> None:
        self.act = act

    def scored(self, trainer: "Trainer", score: Score) -> None:
        """Act."""
        self.act(trainer)


class Report(Callback):
    """Calls ``progress`` after every step and with the score."""

    def __init__(self, progress: Callable[[Progress], None]) -> None:
        self.progress = progress

    def stepped(self, trainer: "Trainer", before: float, spent: float) -> None:
        """Report the step."""
        curve = trainer.curve
        validated = curve[-1][2] if curve and curve[-1][0] == trainer.step else None
        self.progress(Progress(trainer.step, trainer.seconds, spent, trainer.loss, validated))

    def scored(self, trainer: "Trainer", score: Score) -> None:
        """Report the end."""
        share = trainer.settings.budget.share(trainer.step, trainer.seconds)
        self.progress(
            Progress(trainer.step, trainer.seconds, share, trainer.loss, score.value, score)
        )
