"""Run a function in a process of its own; return its result, its time and its peak memory.

A conversion holds gigabytes and libraries keep some of them; the process takes all of it along.

>>> import math
>>> ran = run_measured(math.sqrt, 9.0)
>>> ran.result, ran.peak_gb > 0
(3.0, True)
"""

import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any, Generic, ParamSpec, TypeVar

from search_space.errors import WalkbenchError

P = ParamSpec("P")
R = TypeVar("R")
LAST_SECONDS = 10.0  # for a process that has answered to end by itself


@dataclass(frozen=True)
class Measured(Generic[R]):
    """``seconds`` of wall time; ``peak_gb``: largest resident memory of the process, 10^9 bytes."""

    result: R
    seconds: float
    cpu_seconds: float
    peak_gb: float


def run_measured(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Measured[R]:
    """Call ``work`` in a fresh process; what it raises is raised here.

    An interruption here ends the process at once. Raises :class:`WalkbenchError` when the process
    is killed, which the system does when memory runs out.
    """
    context = get_context("spawn")  # torch's threads do not survive a fork
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender, work, args, kwargs))
    with _interrupts_ignored():
        process.start()
    sender.close()
    try:
        found: Measured[R] | BaseException = receiver.recv()
        process.join(LAST_SECONDS)
    except EOFError:
        raise WalkbenchError(
            "the conversion was killed, most likely for want of memory; close other programs, "
            "or cut the network into more parts with --chunks"
        ) from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if isinstance(found, BaseException):
        raise found
    return found


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Start a process that ignores Ctrl-C, which a terminal sends to all: its parent ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is asked
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(
    sender: Connection, work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    start_worker()
    try:
        found: Any = _measure(work, *args, **kwargs)
    except BaseException as error:
        error.add_note(traceback.format_exc())  # of this process, which the parent cannot see
        found = error
    sender.send(found)


def _measure(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Measured[Any]:
    started = time.monotonic()
    result = work(*args, **kwargs)
    seconds, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss: bytes on macOS, KiB on Linux
    peak_gb = used.ru_maxrss * unit / 1e9
    return Measured(
        result, round(seconds, 2), round(used.ru_utime + used.ru_stime, 2), round(peak_gb, 3)
    )


def start_worker() -> None:
    """Use one thread, of which more gain a conversion little, and end with the parent process.

    A worker whose parent is killed would go on, and then wait for work with all its memory.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
