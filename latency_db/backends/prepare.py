"""Make graphs ready in several processes before the clock starts.

Exporting a block takes longer than timing it, and nothing is timed while graphs are made. A
backend that keeps its graphs in files has a method ``export(subject, copies)``; the others need
none of this. Graphs that exist are left alone, so a killed preparation goes on where it stopped.

>>> prepare_graphs([], "torch", {}, None, workers=2)  # torch keeps no graphs: nothing to do
0
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from latency_db.backends.backend import CannotRun, backend_class, backend_of
from latency_db.builder_chain import Subject, key_of
from search_space.blocks import Block

if TYPE_CHECKING:
    from latency_db.builder import Effort


def prepare_graphs(
    subjects: Sequence[Subject],
    backend: str,
    options: Mapping[str, Any],
    effort: "Effort | None",
    workers: int,
    progress: Callable[[int, int, str], None] | None = None,
) -> int:
    """Export the graphs of ``subjects`` in ``workers`` processes; return how many that were.

    A subject that cannot be exported is passed over here: measuring it says why.
    """
    kind = backend_class(backend)
    if not hasattr(kind, "export"):
        return 0
    sizes = (effort.copies if effort else None) or kind.copies
    jobs = [
        (subject, copies)
        for subject in subjects
        for copies in (sizes if isinstance(subject, Block) else (1,))
    ]
    # spawn: torch's threads do not survive a fork
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_quiet) as pool:
        running = {pool.submit(_export, backend, dict(options), *job): job for job in jobs}
        for done, future in enumerate(as_completed(running), start=1):
            future.result()
            if progress is not None:
                progress(done, len(jobs), key_of(running[future][0]))
    return len(jobs)


def _quiet() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)


def _export(backend: str, options: dict[str, Any], subject: Subject, copies: int) -> None:
    made: Any = backend_of(backend, **options)
    try:
        made.export(subject, copies)
    except CannotRun:
        pass
    finally:
        made.close()
