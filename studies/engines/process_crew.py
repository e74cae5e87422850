"""Workers of a study as processes of this machine.

>>> ProcessCrew(None, Resources(address="10.0.0.1"))
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: engine 'processes' has no address ...
"""

import signal
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Any, Self

from search_space.errors import WalkbenchError
from studies.engines.crew import LEAVE_S, STOP_S, Job, Resources, Worker, new_task, work

_MISTAKE, _INTERRUPTED = 2, 130  # exit codes


class ProcessWorker:
    """See :class:`studies.engines.crew.Worker`."""

    def __init__(self, task: str, process: BaseProcess, messages: Any) -> None:
        self.task, self.process, self.messages = task, process, messages

    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.is_alive()

    def was_killed(self) -> bool:
        """Whether a signal ended it; raises :class:`WalkbenchError` for its message."""
        self.process.join()
        if self.process.exitcode == _MISTAKE:
            raise WalkbenchError(self.messages.get())
        return self.process.exitcode != 0


class ProcessCrew:
    """See :class:`studies.engines.crew.Crew`."""

    def __init__(self, job: Job, resources: Resources) -> None:
        if resources != Resources():
            raise WalkbenchError(
                "engine 'processes' has no address and shares this machine's CPUs and GPUs; "
                "--address, --cpus and --gpus are for --engine ray"
            )
        self.job = job
        self._context = get_context("spawn")

    def start(self) -> ProcessWorker:
        """Start a process."""
        task, messages = new_task(), self._context.SimpleQueue()
        words = (self.job, task, messages)
        process = self._context.Process(target=_work, args=words, daemon=True)
        process.start()
        return ProcessWorker(task, process, messages)

    def stop(self, workers: Sequence[Worker]) -> None:
        """Wait for workers that end by themselves, interrupt the others, kill those that stay."""
        processes = [one.process for one in workers if isinstance(one, ProcessWorker)]
        _wait(processes, LEAVE_S)
        for process in processes:
            process.terminate()
        _wait(processes, STOP_S)
        for process in processes:
            process.kill()
            process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to end."""


def _wait(processes: Sequence[BaseProcess], seconds: float) -> None:
    deadline = monotonic() + seconds
    for process in processes:
        process.join(max(deadline - monotonic(), 0.0))


def _work(job: Job, task: str, messages: Any) -> None:
    """Run the study in a worker process; its exit code says how that went."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        message = work(job, task)
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
    if message is not None:
        messages.put(message)
        raise SystemExit(_MISTAKE)
