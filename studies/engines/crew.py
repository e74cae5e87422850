"""What an engine needs to run whole workers of a study: `Crew`, which starts and ends them.

A worker is one call of :func:`work` somewhere. It runs trials until the study has as many as asked
for, and a trial that it leaves names its task.

>>> len(new_task()), new_task() == new_task()
(12, False)
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from search_space.errors import WalkbenchError

if TYPE_CHECKING:
    from studies.config import StudyConfig

LEAVE_S, STOP_S = 5.0, 15.0  # for workers to end by themselves, and when they are interrupted


@dataclass(frozen=True)
class Job:
    """What every worker runs: a study in the storage at ``url`` until ``total`` trials are done."""

    config: "StudyConfig"
    url: str
    total: int


@dataclass(frozen=True)
class Resources:
    """Where workers run, and what each is given; engines of one machine take the defaults only."""

    address: str | None = None
    cpus: float | None = None
    gpus: float | None = None


class Worker(Protocol):
    """A worker that was started; ``task`` names it in the trials that it takes."""

    @property
    def task(self) -> str: ...  # noqa: D102

    def alive(self) -> bool:
        """Whether it runs, or waits to."""
        ...

    def was_killed(self) -> bool:
        """Whether it ended without its doing; raises :class:`WalkbenchError` for its message."""
        ...


class Crew(Protocol):
    """Starts workers; entered before the first."""

    def start(self) -> Worker:
        """Start a worker."""
        ...

    def stop(self, workers: Sequence[Worker]) -> None:
        """Wait for workers that end by themselves, interrupt the others, kill those that stay."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def new_task() -> str:
    """Return a name that no other worker has."""
    return secrets.token_hex(6)


def work(job: Job, task: str) -> str | None:
    """Run a worker to its end; return the message of an error that the user can mend."""
    from studies.runner import run_study

    try:
        run_study(job.config, trials=job.total, storage=job.url, wait=True, task=task)
    except WalkbenchError as error:
        return str(error)
    return None
