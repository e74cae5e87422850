"""What an engine is: `Engine`, and :func:`completed`, which trains many runs on one.

>>> from proxies.testing import tiny_run
>>> from studies.engines import engine
>>> with engine("serial") as serial:
...     [(key, score.ok) for key, score in completed(serial, [("tiny", tiny_run())])]
[('tiny', True)]
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from proxies.callbacks import Callback
from proxies.score import Score
from proxies.training_run import TrainingRun

Key = TypeVar("Key")


class Engine(Protocol):
    """Trains runs. Leaving its ``with`` block ends the runs that have not finished.

    ``capacity`` is how many runs to submit at once so that no worker waits. A diverged run has a
    failed score. Everything else that goes wrong is the future's exception: an
    :class:`WalkbenchError` where the user can mend it, a killed worker included.
    """

    @property
    def capacity(self) -> int: ...  # noqa: D102

    def submit(self, run: TrainingRun) -> Future[Score]:
        """Train ``run``, now or when a worker is free."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class EngineFactory(Protocol):
    """Makes an engine; see :func:`studies.engines.engine`.

    One that also starts whole workers of a study has ``crew(job, resources)``, which returns a
    :class:`studies.engines.crew.Crew`.
    """

    def __call__(
        self, *, workers: int, checkpoints: Path | None, callbacks: Sequence[Callback]
    ) -> Engine:
        """Return the engine; raises :class:`WalkbenchError` for what it does not offer."""
        ...


def completed(
    engine: Engine, runs: Iterable[tuple[Key, TrainingRun]]
) -> Iterator[tuple[Key, Score]]:
    """Yield the key of each run with its score as it ends, not necessarily in order.

    The next run is submitted when a result is taken, so nothing trains far ahead of the caller.
    Raises the first exception of a run.
    """
    waiting = iter(runs)
    running: dict[Future[Score], Key] = {}
    while True:
        for key, run in itertools.islice(waiting, engine.capacity - len(running)):
            running[engine.submit(run)] = key
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield running.pop(future), future.result()
