"""What the backends of this machine share: its name, its clock, and running on fixed cores.

>>> milliseconds(lambda: None, 3)[0] >= 0
True
"""

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version

from search_space.provenance import provenance


def milliseconds(run: Callable[[], object], count: int) -> list[float]:
    """Return the wall time of each of ``count`` calls."""
    times = []
    for _ in range(count):
        start = time.perf_counter_ns()
        run()
        times.append((time.perf_counter_ns() - start) / 1e6)
    return times


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
