"""The engine of worker processes on this machine, one run each.

Workers are spawned (torch's threads do not survive a fork), leave Ctrl-C to the parent and end with
it, however it ends. Leaving the engine ends running runs at their next step; checkpoints stay.

>>> ProcessEngine(workers=0)
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: workers is 0; 1 or more is needed
"""

import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TYPE_CHECKING, Self

from proxies.callbacks import Callback
from proxies.score import Score
from proxies.trainer import train_run
from proxies.training_run import TrainingRun
from search_space.errors import WalkbenchError
from studies.engines.checkpoints import with_checkpoints
from studies.engines.crew import Job, Resources
from studies.engines.process_crew import ProcessCrew

if TYPE_CHECKING:
    from proxies.trainer import Trainer

KILLED = (
    "a worker process was killed, perhaps for lack of memory; finished runs are kept: run it again "
    "to go on, with fewer workers if memory is short"
)


class ProcessEngine:
    """See :class:`studies.engines.protocol.Engine`."""

    def __init__(
        self,
        *,
        workers: int = 1,
        checkpoints: Path | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        if workers < 1:
            raise WalkbenchError(f"workers is {workers}; 1 or more is needed")
        self.capacity = workers + 1  # one run waits for the worker that is free first
        self.checkpoints, self.callbacks = checkpoints, tuple(callbacks)
        context = get_context("spawn")
        self._stop = context.Event()
        self._pool = ProcessPoolExecutor(
            workers, context, initializer=_start, initargs=(self._stop,)
        )

    def submit(self, run: TrainingRun) -> Future[Score]:
        """Train ``run`` when a worker is free."""
        out: Future[Score] = Future()
        try:
            callbacks = with_checkpoints(self.callbacks, self.checkpoints, run)
            trained = self._pool.submit(_train, run, callbacks)
        except BrokenProcessPool:
            out.set_exception(WalkbenchError(KILLED))
            return out
        trained.add_done_callback(lambda inner: _pass_on(inner, out))
        return out

    @staticmethod
    def crew(job: Job, resources: Resources) -> ProcessCrew:
        """Return what starts processes that run a study."""
        return ProcessCrew(job, resources)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)


def _pass_on(inner: Future[Score], out: Future[Score]) -> None:
    """End ``out`` as ``inner`` ended; a pool that broke becomes an error for users."""
    if inner.cancelled():
        out.cancel()
        out.set_running_or_notify_cancel()
    elif (error := inner.exception()) is None:
        out.set_result(inner.result())
    else:
        broken = isinstance(error, BrokenProcessPool)
        out.set_exception(WalkbenchError(KILLED) if broken else error)


_stop: Event | None = None  # of a worker: set when nobody waits for its runs any more


def _start(stop: Event) -> None:
    """Prepare a worker: leave Ctrl-C to the parent, and end with it."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait until the parent is gone, killed perhaps; nobody would take a result then."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


class _StopWhenTold(Callback):
    """Ends a run when the parent wants no more of it."""

    def stepped(self, trainer: "Trainer", before: float, spent: float) -> None:
        if _stop is not None and _stop.is_set():
            raise InterruptedError("the engine was closed")


def _train(run: TrainingRun, callbacks: Sequence[Callback]) -> Score:
    return train_run(run, [_StopWhenTold(), *callbacks])
