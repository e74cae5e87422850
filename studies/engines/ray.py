"""The engine of a Ray cluster: one task for a run, or one for each worker of a study.

With an address runs train on the cluster that it names, otherwise on the one of ``RAY_ADDRESS``,
otherwise on one of this machine that ends with the engine (:mod:`studies.engines.ray_cluster`).
"""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

from proxies.callbacks import Callback
from proxies.score import Score
from proxies.trainer import train_run
from proxies.training_run import TrainingRun
from search_space.errors import WalkbenchError
from studies.engines.checkpoints import with_checkpoints
from studies.engines.crew import Job, Resources
from studies.engines.ray_cluster import check_room, connected, gpus_of
from studies.engines.ray_crew import RayCrew

KILLED = (
    "a Ray task was killed with its node or for lack of memory; finished runs are kept: run it "
    "again to go on"
)


class RayEngine:
    """See :class:`studies.engines.protocol.Engine`."""

    def __init__(
        self,
        *,
        workers: int = 1,
        checkpoints: Path | None = None,
        callbacks: Sequence[Callback] = (),
        resources: Resources = Resources(),  # noqa: B008
    ) -> None:
        if workers < 1:
            raise WalkbenchError(f"workers is {workers}; 1 or more is needed")
        self.capacity = workers + 1  # one run waits for the task that ends first
        self.checkpoints, self.callbacks = checkpoints, tuple(callbacks)
        self.workers, self.resources = workers, resources
        self._running: list[Any] = []
        self._connection = connected(resources.address)
        self._ray = self._connection.__enter__()

    @staticmethod
    def crew(job: Job, resources: Resources) -> RayCrew:
        """Return what starts tasks that run a study."""
        return RayCrew(job, resources)

    def submit(self, run: TrainingRun) -> Future[Score]:
        """Train ``run`` when the cluster has room."""
        cpus = self.resources.cpus
        cpus = float(run.settings.compute.threads) if cpus is None else cpus
        gpus = self.resources.gpus
        gpus = gpus_of(run.settings.compute.device) if gpus is None else gpus
        out: Future[Score] = Future()
        try:
            check_room(self._ray, cpus, gpus)
        except WalkbenchError as error:
            out.set_exception(error)
            return out
        remote = self._ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(train_run)
        ref = remote.remote(run, with_checkpoints(self.callbacks, self.checkpoints, run))
        self._running.append(ref)
        ref.future().add_done_callback(lambda inner: self._pass_on(inner, out))
        return out

    def _pass_on(self, inner: Future[Score], out: Future[Score]) -> None:
        """End ``out`` as ``inner`` ended; what Ray wraps is unwrapped."""
        exceptions = self._ray.exceptions
        error = inner.exception()
        if error is None:
            out.set_result(inner.result())
        elif isinstance(error, exceptions.TaskCancelledError):
            out.cancel()
            out.set_running_or_notify_cancel()
        elif isinstance(error, exceptions.RayTaskError):
            out.set_exception(error.cause or error)
        else:
            out.set_exception(WalkbenchError(KILLED))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._running:
            _, running = self._ray.wait(
                self._running, num_returns=len(self._running), timeout=0, fetch_local=False
            )
            for ref in running:
                self._ray.cancel(ref)
        self._connection.__exit__(None, None, None)
