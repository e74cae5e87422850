"""`Training`: trains the runs of a study in this process, each on from where it was left.

Runs are saved in a folder by their digests, so a run that was killed goes on, on whichever worker
takes it next, and one on a higher rung goes on from the lower one. The folder lies beside a SQLite
storage and carries its name; for a database server it is ``runs/checkpoints`` where the worker
runs. Machines that share it go on with each other's runs; without it a run begins anew, and ends
with the same score.

>>> checkpoint_folder("sqlite:///runs/demo.db").as_posix()
'runs/demo.checkpoints'
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy

from proxies.callbacks import AtEnd, Callback, Progress, Report
from proxies.score import Score
from proxies.trainer import Trainer, check_ready
from proxies.training_run import TrainingRun
from search_space.errors import WalkbenchError
from studies.engines import engine
from studies.engines.checkpoints import go_on_from, remove_checkpoints
from studies.gallery import Gallery
from studies.picture_quality import TwinErrors
from studies.rungs import Rung, runs_below

SHARED_FOLDER = Path("runs/checkpoints")


def checkpoint_folder(url: str) -> Path:
    """Return the folder of checkpoints that belongs to the storage at ``url``."""
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return SHARED_FOLDER
    return Path(parsed.database).with_suffix(".checkpoints")


class Training:
    """Trains runs of ``rungs`` and keeps their checkpoints in ``folder``.

    ``each_step`` is told of every step, and may raise to end the run; ``gallery`` makes each
    trained twin of a UNet draw, ``errors`` measures its few steps and few bits. Raises
    :class:`WalkbenchError` before any design is trained where the data cannot be read, this machine
    lacks the device or precision, or the folder cannot be made.
    """

    def __init__(
        self,
        rungs: Sequence[Rung],
        folder: Path,
        each_step: Callable[[Progress], None],
        gallery: Gallery | None = None,
        errors: TwinErrors | None = None,
    ) -> None:
        for rung in rungs:
            check_ready(rung.settings)
        callbacks: list[Callback] = [Report(each_step)]
        if gallery is not None:
            callbacks.append(AtEnd(_drawing(gallery.draw)))
        if errors is not None:
            callbacks.append(AtEnd(_drawing(errors.measure)))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WalkbenchError(
                f"checkpoint folder {str(folder)!r} cannot be made ({error.strerror}); make it "
                "writable, or name another --storage"
            ) from None
        self.rungs, self.folder, self.errors = tuple(rungs), folder, errors
        self._serial = engine("serial", checkpoints=folder, callbacks=callbacks)

    def __call__(self, run: TrainingRun) -> Score:
        """Train ``run`` to its end and return its score."""
        go_on_from(self.folder, runs_below(self.rungs, run), run)
        score = self._serial.submit(run).result()
        return score if self.errors is None else self.errors.added_to(score)

    def stored(self, runs: Sequence[TrainingRun]) -> None:
        """Remove the checkpoints that nothing goes on from, now that the score of ``runs`` is kept.

        Those of a rung stay while a higher one may go on from them.
        """
        for run in runs:
            remove_checkpoints(self.folder, runs_below(self.rungs, run))
            if not self._may_go_on(run):
                remove_checkpoints(self.folder, [run])

    def _may_go_on(self, run: TrainingRun) -> bool:
        above = [r for rung in self.rungs for r in rung.runs(run.network)]
        return any(run in runs_below(self.rungs, one) for one in above)


def _drawing(act: Callable[[Trainer], None]) -> Callable[[Trainer], None]:
    """Return ``act`` for twins that draw from noise: not for those of decoders."""

    def at_end(trainer: Trainer) -> None:
        if trainer.learner.predicts == "velocity":
            act(trainer)

    return at_end
