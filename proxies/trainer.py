"""`run_proxy(spec)`: train the twin of a spec for a budget and score it.

The loop itself is :mod:`proxies.loop`; this module watches it: validations on the way, progress,
checkpoints.

>>> from search_space.presets import named_spec
>>> recipe = Recipe(batch=2, train_images=16, validation_images=8)
>>> score = run_proxy(named_spec("F/mqa"), steps=2, width=8, recipe=recipe)
>>> score.ok, score.n, score.fidelity.steps
(True, 8, 2)
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxies.checkpoint import restore, save
from proxies.data.source import DataSource
from proxies.loop import Budget, Recipe, Trainer
from proxies.score import Score
from proxies.threads import cpu_threads
from search_space.spec import UNetSpec

__all__ = ["Budget", "Progress", "Recipe", "Trainer", "finish", "run_proxy"]

CHECKPOINT_SECONDS = 15.0  # between two checkpoints


@dataclass(frozen=True)
class Progress:
    """Where a run is: steps, training seconds, share of the budget, and the latest losses.

    ``score`` is set right after a validation on the way (see ``validate_at``) and at the end.
    """

    step: int
    seconds: float
    share: float
    loss: float
    score: Score | None = None

    @property
    def seconds_left(self) -> float:
        """Expected training seconds until the budget is spent."""
        return self.seconds * (1 - self.share) / self.share if self.share else math.inf


def run_proxy(
    spec: UNetSpec,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    width: int = 16,
    latent: int = 24,
    recipe: Recipe | None = None,
    data: DataSource | None = None,
    device: str = "cpu",
    precision: str = "auto",
    compiled: bool = False,
    accumulate: bool = False,
    validate_at: Sequence[float] = (),
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Path | None = None,
    threads: int = 1,
    at_end: Callable[[Trainer], None] | None = None,
) -> Score:
    """Train the twin of ``spec`` and return its score; a diverged run gives a failed score.

    ``data`` are the shapes where nothing else is said; other data are read once per process.
    ``validate_at`` has shares of the budget, 0 to 1, at which the score is taken on the way and
    handed to ``progress``; what ``progress`` raises ends the run. With ``checkpoint`` the run goes
    on where that file left it, and saves itself there. ``threads`` of the CPU are used; only with
    one are the bits of two runs the same. ``at_end`` is lent the trained twin, to draw with it for
    example. Raises :class:`WalkbenchError` when neither steps nor
    seconds are given, the twin cannot be built, or the checkpoint is of another run.
    """
    budget = Budget(steps, seconds)
    with cpu_threads(threads):
        train, validation = (data or DataSource()).both(latent)
        trainer = Trainer(
            spec,
            width,
            latent,
            seed,
            recipe or Recipe(),
            train,
            validation,
            device=device,
            precision=precision,
            compiled=compiled,
            accumulate=accumulate,
        )
        score = finish(trainer, budget, validate_at, progress, checkpoint)
        if at_end is not None:
            at_end(trainer)
        return score


def finish(
    trainer: Trainer,
    budget: Budget,
    validate_at: Sequence[float] = (),
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Path | None = None,
) -> Score:
    """Train ``trainer`` to the end of ``budget`` and return its score; see :func:`run_proxy`."""
    if checkpoint is not None and checkpoint.exists():
        restore(trainer, checkpoint)
    spent, saved = budget.share(trainer.step, trainer.seconds), time.monotonic()
    waiting = sorted(share for share in validate_at if spent < share < 1)

    def report(score: Score | None = None) -> None:
        if progress is not None:
            share = budget.share(trainer.step, trainer.seconds)
            progress(Progress(trainer.step, trainer.seconds, share, trainer.loss, score))

    def keep() -> None:
        nonlocal saved
        if checkpoint is not None and not trainer.failed:
            save(trainer, checkpoint)
            saved = time.monotonic()

    def each_step() -> None:
        share = budget.share(trainer.step, trainer.seconds)
        reached = [wanted for wanted in waiting if wanted <= share]
        score = None
        if reached and not trainer.failed and share < 1:
            del waiting[: len(reached)]
            score = trainer.score()
            trainer.curve.append((trainer.step, trainer.seconds, score.value))
        if time.monotonic() - saved >= CHECKPOINT_SECONDS:
            keep()  # after the validation: a run that goes on from here would not repeat it
        report(score)

    trainer.train(budget, each_step)
    keep()
    score = trainer.score()
    report(score)
    return score
