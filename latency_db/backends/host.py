"""Shared by the backends of this machine: its name, clock, caches and pinned cores.

A network's weights do not fit into a processor's cache, so each run of it reads them from memory. A
block run over and over would find its own in the cache and look faster than it is in a network.
Before each timed run, therefore, the cache is filled with other data, and then the inputs are
read, which in a network the block before has just written.

>>> milliseconds(lambda: None, 3)[0] >= 0
True
"""

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from search_space.provenance import provenance


def milliseconds(
    run: Callable[[], object], count: int, before: Callable[[], object] | None = None
) -> list[float]:
    """Return the wall time of each of ``count`` calls; ``before`` runs untimed before each."""
    times = []
    for _ in range(count):
        if before is not None:
            before()
        start = time.perf_counter_ns()
        run()
        times.append((time.perf_counter_ns() - start) / 1e6)
    return times


class ColdWeights:
    """Called before a run: fills the caches with other data, then reads ``inputs``."""

    def __init__(self, inputs: Sequence["np.ndarray"]):
        self._inputs = inputs

    def __call__(self) -> None:
        """Read twice the last-level cache; reading leaves nothing behind to be written back."""
        _other_data().max()
        for array in self._inputs:
            array.max()


@lru_cache(maxsize=1)
def _other_data() -> "np.ndarray":
    return np.ones(2 * cache_bytes() // 4, np.float32)


def cache_bytes() -> int:
    """Return the size of the last-level cache, where the system tells it, else 32 MiB."""
    sizes = []
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        sizes.append(int(text[:-1]) * {"K": 1 << 10, "M": 1 << 20}.get(text[-1], 1))
    return max(sizes, default=32 << 20)


def cpu_name() -> str:
    """Return the processor's name, with its cores, as a table's device."""
    found = provenance()
    return f"{found['cpu']} ({found['cpus']} cores)"


def os_name() -> str:
    """Return system and architecture; the kernel's build is left out, it decides no latency."""
    return f"{platform.system()} {platform.machine()}"


def versions(*packages: str) -> str:
    """Return ``name version`` of each package, separated by semicolons."""
    return "; ".join(f"{name} {version(name)}" for name in packages)


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Keep this process on its last ``threads`` cores, where the system can: no migrations."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    cores = sorted(before)[-threads:]
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
