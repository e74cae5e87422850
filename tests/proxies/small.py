"""The tiny network and its runs, under the short names that tests use."""

from proxies.callbacks import Checkpoints, Report
from proxies.testing import TINY_RECIPE as RECIPE
from proxies.testing import tiny_network as small_spec
from proxies.testing import tiny_run
from proxies.trainer import Trainer, train_run

__all__ = ["RECIPE", "made", "score_of", "small_spec", "tiny_run"]


def made(spec=None, data=None, **changes) -> Trainer:
    """A trainer that has not made a step."""
    return Trainer(tiny_run(spec, **changes), data=data)


def score_of(spec=None, progress=None, checkpoint=None, **changes):
    """Train a run to its end, with progress and checkpoints where they are given."""
    callbacks = [] if checkpoint is None else [Checkpoints(checkpoint)]
    callbacks += [] if progress is None else [Report(progress)]
    return train_run(tiny_run(spec, **changes), callbacks)
