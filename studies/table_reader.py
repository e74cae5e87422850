"""`TableReader`: keeps the `StudyTable` of a study that may be running up to date.

Each refresh reads the trials that are new or had not finished; a finished trial never changes.
"""

import gc
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_space.errors import WalkbenchError
from studies import record_codec
from studies.metric import Measured, Metric
from studies.metrics import all_metrics
from studies.outside import Outside
from studies.pareto import feasible
from studies.records import INTERRUPTED
from studies.study_table import STATES, Column, Floats, StudyTable, seconds
from studies.trial_rows import TrialRows

_FINISHED = ("COMPLETE", "PRUNED", "FAIL")
_COST = ("params", "macs", "weight_bytes", "activation_bytes", "peak_activation_bytes")
_LIGHT = ("name", "enqueued", "digest", "constraints", "failed", "rung")
_HEAVY = ("cost", "latency", "measured")


class _Parts:
    """What metrics measure, as columns: a cost, a latency and a score of arrays."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


@dataclass(frozen=True)
class _Candidate:
    cost: Any
    latency: Any
    score: Any

    @property
    def network(self) -> Any:
        raise WalkbenchError("columns have no networks")


class TableReader:
    """Reads the table of one study with these objectives and budgets."""

    def __init__(
        self, rows: TrialRows, objectives: Sequence[str], budgets: Sequence[str], outside: Outside
    ) -> None:
        self.rows, self.objectives, self.budgets = rows, tuple(objectives), tuple(budgets)
        self.outside = outside
        self._lock = RLock()  # one reader serves every browser
        self._stamp: tuple[Any, ...] | None = None
        self._table: StudyTable | None = None
        self._trials: dict[int, Any] = {}  # by identifier, as all that follows
        self._priced: set[int] = set()
        self._scored: dict[int, dict[str, Any]] = {}  # what trials of other tools would have stored
        self._values: list[dict[int, float]] = [{} for _ in self.objectives]
        self._light = _Attributes(_LIGHT)
        self._heavy = _Attributes(_HEAVY)
        self._scores = _Attributes(("score",))
        self._trained = _Attributes(("score",))

    def reads_as(self, other: "TableReader") -> bool:
        """Whether ``other`` reads the same study, with the same objectives and budgets."""
        ours, theirs = ((one.rows.study_id, one.objectives, one.budgets) for one in (self, other))
        return ours == theirs

    def table(self) -> StudyTable:
        """Return the study's table as it stands."""
        with self._lock:
            stamp = self.rows.stamp()
            if self._table is None or stamp != self._stamp:
                with _without_collector():
                    self._read()
                    self._table = self._build()
                self._stamp = stamp
            return self._table

    def identifier(self, number: int) -> int:
        """Return the storage's identifier of the trial called ``number``."""
        with self._lock:
            return next(trial for trial, row in self._trials.items() if row[1] == number)

    def training(self) -> list[float]:
        """Return how long each trial trained that trained a design by itself, in seconds."""
        with self._lock, _without_collector():
            self._trained.read_seconds(self.rows, self._trials)
            return list(self._trained.values["score"].values())

    def _read(self) -> None:
        since = max(self._trials, default=-1)
        more = [trial for trial, row in self._trials.items() if row[2] not in _FINISHED]
        self._trials.update((row[0], row) for row in self.rows.trials(since, more))
        for trial, objective, value in self.rows.values(since, more):
            if objective < len(self._values):
                self._values[objective][trial] = value
        self._priced.update(self.rows.having("cost", since, more))
        self._light.read(self.rows, self._trials)
        self._score_outside()

    def _score_outside(self) -> None:
        """Add what trials of another tool would have stored, had they run here."""
        digests = self._light.values["digest"]
        new = [
            (trial, row[1])
            for trial, row in self._trials.items()
            if row[2] == "COMPLETE" and trial not in digests and trial not in self._scored
        ]
        if not new or self.outside.shared.space is None:
            return
        trials = {trial.number: trial for trial in self.rows.frozen([n for _, n in new])}
        for trial, number in new:
            found = self.outside.scored(trials[number])
            is_scored = record_codec.OUTSIDE in found.user_attrs
            self._scored[trial] = found.user_attrs if is_scored else {}
            if not is_scored:
                continue
            self._priced.add(trial)
            for key in _LIGHT:
                if key in found.user_attrs:
                    self._light.values[key][trial] = found.user_attrs[key]
            for column, value in zip(self._values, found.values, strict=False):
                column[trial] = value

    def _build(self) -> StudyTable:
        rows = sorted(self._trials.values(), key=lambda row: row[1])
        ids = [row[0] for row in rows]
        states = [row[2] for row in rows]
        complete = np.array([state == "COMPLETE" for state in states], dtype=bool)
        found = self._light.values
        constraints = found["constraints"]
        kept = [
            feasible(constraints.get(i) or {}, self.budgets) if i in self._priced else None
            for i in ids
        ]
        failed = {
            row[1]: found["failed"].get(row[0]) or INTERRUPTED
            for row in rows
            if row[2] == "FAIL" or found["failed"].get(row[0])
        }
        return StudyTable(
            np.array([row[1] for row in rows], dtype=np.int64),
            np.array([STATES.index(state) for state in states], dtype=np.int8),
            np.array([-1 if one is None else int(one) for one in kept], dtype=np.int8),
            _objects(found["name"].get(i) or found["enqueued"].get(i) for i in ids),
            _objects(found["digest"].get(i) for i in ids),
            seconds([row[3] for row in rows]),
            seconds([row[4] for row in rows]),
            {
                name: np.where(complete, _floats(values.get(i) for i in ids), np.nan)
                for name, values in zip(self.objectives, self._values, strict=True)
            },
            LazyColumns(lambda: self._measured(ids, complete)),
            failed,
            np.array(
                [row[2] == "FAIL" and row[0] not in found["failed"] for row in rows], dtype=bool
            ),
            np.array([found["rung"].get(i, 0) for i in ids], dtype=np.int64),
        )

    def _measured(self, ids: Sequence[int], complete: NDArray[np.bool_]) -> dict[str, Column]:
        """Read and return every metric as stored with its trial, else measured of its parts."""
        with self._lock, _without_collector():
            self._heavy.read(self.rows, self._trials)
            for trial, attributes in self._scored.items():
                for key in _HEAVY:
                    if key in attributes:
                        self._heavy.values[key][trial] = attributes[key]
            stored = self._heavy.values["measured"]
            trained = [i for i, ended in zip(ids, complete, strict=True) if ended]
            if any("proxy_loss" not in stored.get(i, ()) for i in trained):
                # trials of version 0.1 have their loss in the score alone
                self._scores.read_scores(self.rows, self._trials)
            parts = {**self._heavy.values, **self._scores.values}
            return _columns(ids, parts)


class _Attributes:
    """Attributes of trials by name and identifier; each trial's are read until it has finished."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = keys
        self.values: dict[str, dict[int, Any]] = {key: {} for key in keys}
        self._last = -1
        self._open: list[int] = []

    def read(self, rows: TrialRows, trials: Mapping[int, Any]) -> None:
        """Read what is new of ``trials``."""
        for key, found in rows.attributes(self.keys, self._last, self._open).items():
            self.values[key].update(found)
        self._remember(trials)

    def read_scores(self, rows: TrialRows, trials: Mapping[int, Any]) -> None:
        """Read the scores that are new, without their single losses."""
        ids, scores = rows.scores(self._last, self._open)
        self.values["score"].update(zip(ids, scores, strict=True))
        self._remember(trials)

    def read_seconds(self, rows: TrialRows, trials: Mapping[int, Any]) -> None:
        """Read of the scores that are new how long their trials trained, if they did themselves."""
        ids, scores = rows.scores(self._last, self._open)
        self.values["score"].update(
            (trial, score["fidelity"]["seconds"])
            for trial, score in zip(ids, scores, strict=True)
            if score["reused_from"] is None and score["cached_from"] is None
        )
        self._remember(trials)

    def _remember(self, trials: Mapping[int, Any]) -> None:
        self._last = max(trials, default=-1)
        self._open = [trial for trial, row in trials.items() if row[2] not in _FINISHED]


class LazyColumns(Mapping[str, Column]):
    """Columns of metrics, read when the first is asked for."""

    def __init__(self, read: Callable[[], dict[str, Column]]) -> None:
        self._read = read

    @cached_property
    def _columns(self) -> dict[str, Column]:
        return self._read()

    def __getitem__(self, metric: str) -> Column:
        """Return one metric's column."""
        return self._columns[metric]

    def __iter__(self) -> Iterator[str]:
        """Name the metrics that some trial has."""
        return iter(self._columns)

    def __len__(self) -> int:
        """How many metrics there are."""
        return len(self._columns)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Pause the collector of garbage: it would walk over millions of values that are none."""
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def _columns(ids: Sequence[int], parts: Mapping[str, Mapping[int, Any]]) -> dict[str, Column]:
    """Return the columns of all metrics from the trials' stored ``parts``."""
    count, nothing = len(ids), dict[str, Any]()
    costs = [parts["cost"].get(i) or nothing for i in ids]
    latencies = [parts["latency"].get(i) or nothing for i in ids]
    scores = [parts["score"].get(i) or nothing for i in ids]
    scores = [nothing if one.get("failed") else one for one in scores]
    cost = _Parts(**{name: _floats(one.get(name) for one in costs) for name in _COST})
    spans = {name: _floats(one.get(name) for one in latencies) for name in ("ms", "low", "high")}
    score = {name: _floats(one.get(name) for one in scores) for name in ("value", "stderr")}
    candidate = _Candidate(
        cost if any(costs) else None,
        _Parts(**spans, source=None) if any(latencies) else None,
        _Parts(**score, ok=True) if any(scores) else None,
    )
    sources = _objects(one.get("source") for one in latencies)
    stored: dict[str, list[tuple[int, Any]]] = {}
    for row, trial in enumerate(ids):
        for name, found in (parts["measured"].get(trial) or nothing).items():
            stored.setdefault(name, []).append((row, found))
    columns = {}
    for metric in all_metrics():
        found = _of_parts(metric, candidate, count)
        value, low, high = found if found else (np.full(count, np.nan) for _ in range(3))
        source = np.full(count, "exact" if metric.is_exact else "trained", dtype=object)
        source = sources.copy() if metric.stage == "lookup" else source
        own = stored.get(metric.name, [])
        if own:
            rows = np.array([row for row, _ in own])
            value[rows], low[rows], high[rows] = np.array([f[:3] for _, f in own], dtype=float).T
            source[rows] = _objects(f[3] for _, f in own)
        missing = np.isnan(value)
        if not missing.all():
            source[missing] = None
            columns[metric.name] = Column(value, low, high, source)
    return columns


def _of_parts(metric: Metric, candidate: Any, count: int) -> tuple[Floats, Floats, Floats] | None:
    """Measure a metric of all trials at once; None where columns have not what it needs."""
    try:
        found: Measured | None = metric.measure(candidate)
    except (WalkbenchError, AttributeError, TypeError, ValueError):
        return None
    if found is None:
        return None
    ends = [np.asarray(x, dtype=float) for x in (found.value, found.low, found.high)]
    if any(one.shape != (count,) for one in ends):
        return None
    value, low, high = (one.copy() for one in ends)
    return value, low, high


def _floats(values: Any) -> Floats:
    return np.array([math.nan if v is None else v for v in values], dtype=float)


def _objects(values: Any) -> NDArray[np.object_]:
    found = list(values)
    column = np.empty(len(found), dtype=object)
    column[:] = found
    return column
