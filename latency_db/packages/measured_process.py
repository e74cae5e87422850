"""Run a function in a process of its own; return its result, its seconds and its peak memory.

A conversion holds gigabytes and libraries keep some of them; the process takes all of it along.

>>> import math
>>> ran = run_measured(math.sqrt, 9.0)
>>> ran.result, ran.peak_gb > 0
(3.0, True)
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Generic, ParamSpec, TypeVar

from search_space.errors import WalkbenchError

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Measured(Generic[R]):
    """``peak_gb``: largest resident memory of the process, in 10^9 bytes."""

    result: R
    seconds: float
    peak_gb: float


def run_measured(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Measured[R]:
    """Call ``work`` in a fresh process; what it raises is raised here.

    Raises :class:`WalkbenchError` when the process is killed, which the system does when memory
    runs out.
    """
    # spawn: torch's threads do not survive a fork
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_one_thread) as pool:
        try:
            return pool.submit(_measure, work, *args, **kwargs).result()
        except BrokenProcessPool:
            raise WalkbenchError(
                "the conversion was killed, most likely for want of memory; close other programs, "
                "or cut the network into more parts with --chunks"
            ) from None


def _measure(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Measured[Any]:
    started = time.monotonic()
    result = work(*args, **kwargs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux, bytes on macOS
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(result, round(time.monotonic() - started, 2), round(peak * unit / 1e9, 3))


def _one_thread() -> None:
    """Torch's threads gain a conversion little and take the machine from everything else."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
