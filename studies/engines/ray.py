"""The engine of a Ray cluster: one task for a run, or one for each worker of a study.

With an address runs train on the cluster that it names, otherwise on the one of ``RAY_ADDRESS``,
otherwise on a cluster of this machine that ends with the engine. Only this module imports Ray,
which is the extra `ray`.

>>> gpus_of("cuda"), gpus_of("cpu")
(1.0, 0.0)
"""

import os
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from proxies.callbacks import Callback
from proxies.score import Score
from proxies.trainer import train_run
from proxies.training_run import TrainingRun
from search_space.errors import WalkbenchError
from studies.engines.checkpoints import with_checkpoints
from studies.engines.crew import Job, Resources

if TYPE_CHECKING:
    from studies.engines.ray_crew import RayCrew

KILLED = (
    "a Ray task was killed with its node or for lack of memory; finished runs are kept: run it "
    "again to go on"
)


_REACH_S = 10.0


def load() -> Any:
    """Return Ray; raises :class:`WalkbenchError` where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    try:
        import ray
    except ImportError:
        raise WalkbenchError(
            "engine 'ray' needs Ray, which is not installed: pip install 'walkbench[ray]'"
        ) from None
    return ray


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Connect to a cluster, or to one that this process starts, and leave it at the end."""
    ray = load()
    if ray.is_initialized():
        yield ray
        return
    _check_reachable(address or os.environ.get("RAY_ADDRESS"))
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None and "RAY_ADDRESS" not in os.environ:
        options["include_dashboard"] = False
    elif address is not None:
        options["address"] = address
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises ConnectionError, ValueError, RuntimeError, …
        reason = " ".join(str(error).split()) or type(error).__name__
        where = address or os.environ.get("RAY_ADDRESS")
        place = f"the Ray cluster at {where!r}" if where else "a Ray cluster of this machine"
        raise WalkbenchError(f"engine 'ray' cannot reach {place}: {reason}") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Raise :class:`WalkbenchError` where nothing listens: Ray itself would wait for minutes."""
    host, _, port = (address or "").rpartition(":")
    if not port.isdigit() or "/" in host:  # "auto", "local" or a client's URL
        return
    try:
        socket.create_connection((host, int(port)), timeout=_REACH_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise WalkbenchError(
            f"engine 'ray' cannot reach the Ray cluster at {address!r}: {reason}; give the "
            "HOST:PORT that `ray start --head` printed"
        ) from None


def gpus_of(torch_device: str | None) -> float:
    """Return how many GPUs a run on ``torch_device`` needs."""
    return 1.0 if torch_device is not None and torch_device.startswith("cuda") else 0.0


def check_room(ray: Any, cpus: float, gpus: float) -> None:
    """Raise :class:`WalkbenchError` where no node has what one task needs: it would wait for ever.

    A node that joins later does not help a task that was refused, so it is checked at the start.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(n.get("CPU", 0) >= cpus and n.get("GPU", 0) >= gpus for n in nodes):
        return
    have = "; ".join(f"{n.get('CPU', 0):g} CPUs and {n.get('GPU', 0):g} GPUs" for n in nodes)
    raise WalkbenchError(
        f"no node of the Ray cluster has the {cpus:g} CPUs and {gpus:g} GPUs of one worker "
        f"(its nodes: {have}); ask for less by --cpus and --gpus"
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
    def crew(job: Job, resources: Resources) -> "RayCrew":
        """Return what starts tasks that run a study."""
        from studies.engines.ray_crew import RayCrew

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
