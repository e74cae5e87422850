"""Workers of a study as tasks of a Ray cluster; see :mod:`studies.engines.ray`.

Each task loops over single trials on the shared storage. It is not Ray's to run again when it dies:
the trials that it left are released, and another task takes its place.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Self

import sqlalchemy

from proxies.compute import Compute
from search_space.errors import WalkbenchError
from studies.engines.crew import LEAVE_S, STOP_S, Job, Resources, Worker, new_task, work
from studies.engines.ray_cluster import check_room, connected, gpus_of


class RayWorker:
    """See :class:`studies.engines.crew.Worker`."""

    def __init__(self, ray: Any, task: str, ref: Any) -> None:
        self.task, self.ref, self._ray = task, ref, ray

    def alive(self) -> bool:
        """Whether the task runs, or waits for room."""
        ended, _ = self._ray.wait([self.ref], timeout=0)
        return not ended

    def was_killed(self) -> bool:
        """Whether its process or node ended it; raises :class:`WalkbenchError` for its message."""
        exceptions = self._ray.exceptions
        try:
            message = self._ray.get(self.ref)
        except exceptions.RayTaskError as error:
            raise (error.cause or error) from None
        except exceptions.RayError:
            return True
        if message is not None:
            raise WalkbenchError(message)
        return False


class RayCrew:
    """See :class:`studies.engines.crew.Crew`."""

    def __init__(self, job: Job, resources: Resources) -> None:
        compute = job.config.proxy.compute if job.config.proxy else Compute()
        self.job, self._address = job, resources.address
        cpus, gpus = resources.cpus, resources.gpus
        self._cpus = float(compute.threads) if cpus is None else cpus
        self._gpus = gpus_of(compute.device) if gpus is None else gpus
        self._stack = ExitStack()

    def start(self) -> RayWorker:
        """Start a task; it waits until a node has room."""
        task = new_task()
        return RayWorker(self._ray, task, self._work.remote(self.job, task))

    def stop(self, workers: Sequence[Worker]) -> None:
        """Wait for tasks that end by themselves, interrupt the others, kill those that stay."""
        left = [one.ref for one in workers if isinstance(one, RayWorker)]
        for seconds, is_forced in ((LEAVE_S, False), (STOP_S, True)):
            if not left:
                return
            _, left = self._ray.wait(left, num_returns=len(left), timeout=seconds)
            for ref in left:
                self._ray.cancel(ref, force=is_forced)
        if left:
            self._ray.wait(left, num_returns=len(left), timeout=STOP_S)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._ray = stack.enter_context(connected(self._address))
            check_room(self._ray, self._cpus, self._gpus)
            self._check_storage()
            self._stack = stack.pop_all()
        self._work = self._ray.remote(num_cpus=self._cpus, num_gpus=self._gpus, max_retries=0)(work)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _check_storage(self) -> None:
        """Raise for a file as storage of several machines."""
        machines = {node["NodeManagerAddress"] for node in self._ray.nodes() if node["Alive"]}
        is_file = sqlalchemy.make_url(self.job.url).get_backend_name() == "sqlite"
        if is_file and len(machines) > 1:
            raise WalkbenchError(
                f"the Ray cluster has {len(machines)} machines, which do not share a SQLite file; "
                "give a PostgreSQL storage: --storage postgresql://USER@HOST/DATABASE"
            )
