"""Where an engine saves its runs: one file per run in a folder, named by the run's digest.

>>> from proxies.testing import tiny_run
>>> checkpoint_of(Path("folder"), tiny_run()).suffix
'.safetensors'
"""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from proxies.callbacks import Callback, Checkpoints
from proxies.training_run import TrainingRun
from search_space.atomic import atomic_write


def checkpoint_of(folder: Path, run: TrainingRun) -> Path:
    """Return the file that holds ``run`` while it trains; whoever keeps the score removes it."""
    return folder / f"{run.digest()}.safetensors"


def with_checkpoints(
    callbacks: Sequence[Callback], folder: Path | None, run: TrainingRun
) -> list[Callback]:
    """Return ``callbacks``, after one that saves ``run`` in ``folder`` if there is one."""
    saving = [] if folder is None else [Checkpoints(checkpoint_of(folder, run))]
    return [*saving, *callbacks]


def go_on_from(folder: Path, shorter: Iterable[TrainingRun], run: TrainingRun) -> None:
    """Let ``run`` begin where the first of the ``shorter`` runs ended that has a checkpoint.

    A run with a checkpoint of its own keeps it.
    """
    own = checkpoint_of(folder, run)
    if own.exists():
        return
    for before in shorter:
        path = checkpoint_of(folder, before)
        if path.exists():
            with atomic_write(own) as partial:
                shutil.copyfile(path, partial)
            return


def remove_checkpoints(folder: Path, runs: Iterable[TrainingRun]) -> None:
    """Remove what is saved of ``runs``."""
    for run in runs:
        checkpoint_of(folder, run).unlink(missing_ok=True)
