"""A connection to a Ray cluster, and whether it has room for a task.

Only this module imports Ray, which is the extra `ray`.

>>> gpus_of("cuda"), gpus_of("cpu")
(1.0, 0.0)
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from search_space.errors import WalkbenchError

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
