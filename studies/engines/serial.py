"""The serial engine: trains each run where it is submitted, before `submit` returns.

>>> from proxies.testing import tiny_run
>>> with SerialEngine() as engine:
...     engine.submit(tiny_run()).done()
True
"""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Self

from proxies.callbacks import Callback
from proxies.score import Score
from proxies.trainer import train_run
from proxies.training_run import TrainingRun
from search_space.errors import WalkbenchError
from studies.engines.checkpoints import with_checkpoints


class SerialEngine:
    """See :class:`studies.engines.protocol.Engine`; Ctrl-C ends the run and is passed on."""

    capacity = 1

    def __init__(
        self,
        *,
        workers: int = 1,
        checkpoints: Path | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        if workers != 1:
            raise WalkbenchError(
                f"workers is {workers}; the engine 'serial' has 1: use 'processes' for more"
            )
        self.checkpoints, self.callbacks = checkpoints, tuple(callbacks)

    def submit(self, run: TrainingRun) -> Future[Score]:
        """Train ``run`` and return its finished future."""
        future: Future[Score] = Future()
        try:
            callbacks = with_checkpoints(self.callbacks, self.checkpoints, run)
            future.set_result(train_run(run, callbacks))
        except Exception as error:
            future.set_exception(error)
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to end."""
