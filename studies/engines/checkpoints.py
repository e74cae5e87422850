"""Where an engine saves its runs: one file per run in a folder, named by the run's digest.

>>> from proxies.testing import tiny_run
>>> checkpoint_of(Path("folder"), tiny_run()).suffix
'.safetensors'
"""

from collections.abc import Sequence
from pathlib import Path

from proxies.callbacks import Callback, Checkpoints
from proxies.training_run import TrainingRun


def checkpoint_of(folder: Path, run: TrainingRun) -> Path:
    """Return the file that holds ``run`` while it trains; whoever keeps the score removes it."""
    return folder / f"{run.digest()}.safetensors"


def with_checkpoints(
    callbacks: Sequence[Callback], folder: Path | None, run: TrainingRun
) -> list[Callback]:
    """Return ``callbacks``, after one that saves ``run`` in ``folder`` if there is one."""
    saving = [] if folder is None else [Checkpoints(checkpoint_of(folder, run))]
    return [*saving, *callbacks]
