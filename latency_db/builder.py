"""`measure(...)`: time blocks and whole networks on a backend, into a table that survives a kill.

The clock of a machine drifts: other programs run, it gets warm. So a measurement makes several
passes over all subjects, each in another order, and within a visit the small and the large chain
take turns, round by round. Neighbours that change from pass to pass are what lets a table tell the
machine's pace from a block's own time (:mod:`latency_db.table_drift`).

Each visit ends in one row on disk. A run that is killed and resumed repeats at most the visit it
was on; whole networks stand among the blocks they are made of.

>>> import tempfile
>>> from latency_db.backends.torch import TorchBackend
>>> from latency_db.table import Table
>>> from search_space.blocks import ConvIn
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "t.csv"
...     done = measure([ConvIn(4, 8, 16)], TorchBackend(), path, Effort(passes=2, rounds=3))
...     done.measured, len(Table.load(path).entries)
(2, 1)
"""

import json
import math
import random
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from latency_db.backends.backend import Backend, CannotRun, Runner
from latency_db.backends.host import pinned
from latency_db.builder_chain import Subject, key_of
from latency_db.table_file import TableWriter, unfinished_rows
from latency_db.table_row import Row
from search_space.blocks import Block
from search_space.errors import WalkbenchError


@dataclass(frozen=True)
class Effort:
    """Effort of a measurement: passes over all subjects, rounds in a visit, samples in a round."""

    passes: int = 5
    rounds: int = 10
    samples: int = 1
    warm_up: int = 2
    copies: tuple[int, int] | None = None  # N1 and N2; None: what suits the backend

    def __post_init__(self) -> None:
        for name in ("passes", "rounds", "samples"):
            if getattr(self, name) < 1:
                raise WalkbenchError(f"{name} is {getattr(self, name)}; 1 or more is needed")
        if self.copies is not None and not 0 < self.copies[0] < self.copies[1]:
            raise WalkbenchError(f"chain {self.copies} must grow, such as 1 4")


@dataclass
class Outcome:
    """Outcome of a measurement: visits made, visits already done, subjects that could not run."""

    measured: int = 0
    resumed: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    fallbacks: dict[str, str] = field(default_factory=dict)


Progress = Callable[[int, int, str], None]  # visits done, visits in all, key at hand


def measure(
    subjects: Sequence[Subject],
    backend: Backend,
    path: Path,
    effort: Effort = Effort(),
    *,
    resume: bool = False,
    keep_graphs: int = 0,
    progress: Progress | None = None,
) -> Outcome:
    """Time every subject in every pass and append the rows to the table at ``path``.

    ``resume`` goes on with the run that the table holds last; without it a table that exists is an
    error, since two runs into one file are told apart only by their names. ``keep_graphs`` graphs
    stay loaded between passes. Subjects that the backend cannot run are skipped and named in the
    outcome. Raises :class:`WalkbenchError` when the table belongs to other conditions; what was
    measured before stays.
    """
    before = unfinished_rows(path)
    if before and not resume:
        raise WalkbenchError(
            f"table {path} already holds {len(before)} rows; use --resume to go on with it or name "
            "another file"
        )
    if before and before[-1].conditions != backend.conditions:
        raise WalkbenchError(_changed(path, before[-1], backend))
    run = before[-1].run if before else uuid.uuid4().hex[:8]
    done = {(row.key, row.pass_number) for row in before if row.run == run}
    outcome = Outcome()
    visits = [(n, subject) for n in range(effort.passes) for subject in _order(subjects, n)]
    with TableWriter(path) as writer, _Graphs.open(backend, keep_graphs) as graphs:
        for i, (number, subject) in enumerate(visits):
            key = key_of(subject)
            if progress is not None:
                progress(i, len(visits), key)
            if key in outcome.skipped:
                continue
            if (key, number) in done:
                outcome.resumed += 1
                continue
            try:
                row = _visit(subject, backend, graphs, effort, run, number)
            except CannotRun as error:
                outcome.skipped[key] = str(error)
                continue
            writer.append(row)
            outcome.measured += 1
            if "FALLBACK" in row.units_planned:
                outcome.fallbacks[key] = row.units_planned
    if progress is not None:
        progress(len(visits), len(visits), "")
    return outcome


def _order(subjects: Sequence[Subject], number: int) -> list[Subject]:
    """Return the subjects as listed for the first pass, shuffled anew for each later one."""
    order = list(subjects)
    if number:
        random.Random(number).shuffle(order)  # by number: a resumed pass goes on in its order
    return order


def _visit(
    subject: Subject, backend: Backend, graphs: "_Graphs", effort: Effort, run: str, number: int
) -> Row:
    """Time one subject: both chains take turns, and who goes first alternates."""
    network = not isinstance(subject, Block)
    sizes = [1] if network else list(effort.copies or backend.copies)
    runners = {copies: graphs.get(subject, copies) for copies in sizes}
    samples: dict[int, list[float]] = {copies: [] for copies in sizes}
    threads = backend.conditions.threads
    with pinned(threads) if threads else _anywhere():
        for copies in sizes:
            runners[copies].sample(effort.warm_up)
        for i in range(effort.rounds):
            for copies in sizes if i % 2 == 0 else reversed(sizes):
                samples[copies] += runners[copies].sample(effort.samples)
    if not all(math.isfinite(t) and t > 0 for times in samples.values() for t in times):
        raise CannotRun(f"{backend.name} gave a time that is not positive for {key_of(subject)!r}")
    return Row.of(
        key_of(subject),
        backend.conditions,
        samples,
        run=run,
        pass_number=number,
        units_planned=runners[sizes[-1]].units_planned,
        spec="" if isinstance(subject, Block) else json.dumps(subject.to_dict()),
    )


class _Graphs:
    """Loaded graphs, the least recently used closed first."""

    def __init__(self, backend: Backend, keep: int):
        self._backend, self._keep = backend, max(keep, 2)  # a visit needs two at once
        self._loaded: OrderedDict[tuple[str, int], Runner] = OrderedDict()

    @classmethod
    @contextmanager
    def open(cls, backend: Backend, keep: int) -> Iterator["_Graphs"]:
        """Close every graph at the end, whatever happened."""
        graphs = cls(backend, keep)
        try:
            yield graphs
        finally:
            while graphs._loaded:
                graphs._loaded.popitem()[1].close()

    def get(self, subject: Subject, copies: int) -> Runner:
        """Return the graph, loading it if it is not there."""
        key = (key_of(subject), copies)
        if key not in self._loaded:
            while len(self._loaded) >= self._keep:
                self._loaded.popitem(last=False)[1].close()
            self._loaded[key] = self._backend.prepare(subject, copies)
        self._loaded.move_to_end(key)
        return self._loaded[key]


@contextmanager
def _anywhere() -> Iterator[None]:
    yield


def _changed(path: Path, row: Row, backend: Backend) -> str:
    was, now = row.conditions, backend.conditions
    names = [n for n in was.__dataclass_fields__ if getattr(was, n) != getattr(now, n)]
    changes = "; ".join(f"{n} was {getattr(was, n)!r}, is {getattr(now, n)!r}" for n in names)
    return f"table {path} was measured under other conditions ({changes}); name a new file"


def time_left(done: int, total: int, started: float) -> float | None:
    """Return seconds left at the pace since ``started`` (time.monotonic), None before the first."""
    if done == 0:
        return None
    return (time.monotonic() - started) / done * (total - done)
