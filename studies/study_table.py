"""`StudyTable`: a study's trials as columns of numbers, for looks at very many trials at once.

A column has one entry for each trial, in their order; what a trial lacks is NaN, -1 or None. The
numbers equal those of `studies.records.TrialRecord`, and the front is `studies.pareto`'s.

>>> from studies.records import TrialRecord
>>> trials = [TrialRecord(0, "COMPLETE", feasible=True, values={"params": 3.0, "macs": 1.0})]
>>> table = StudyTable.of_records(trials, ("params", "macs"))
>>> table.front(("params", "macs")).tolist(), table.value("params").tolist()
([True], [3.0])
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from studies.dominance import undominated, volume_history
from studies.metrics import all_metrics, known
from studies.pareto import is_trained
from studies.records import TrialRecord

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")


@dataclass(frozen=True)
class Column:
    """A metric of every trial with its interval, and the sort of each number."""

    value: Floats
    low: Floats
    high: Floats
    source: NDArray[np.object_]


@dataclass(frozen=True)
class StudyTable:
    """The trials of a study. ``state`` indexes `STATES`; ``feasible`` is 1, 0, or -1: unchecked.

    ``started`` and ``ended`` are seconds since 1970; ``values`` are those of the objectives of
    complete trials, ``measured`` what was measured of any trial.
    """

    number: NDArray[np.int64]
    state: NDArray[np.int8]
    feasible: NDArray[np.int8]
    name: NDArray[np.object_]
    digest: NDArray[np.object_]
    started: Floats
    ended: Floats
    values: Mapping[str, Floats]
    measured: Mapping[str, Column]
    failed: Mapping[int, str] = field(default_factory=dict)  # by number
    interrupted: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))
    rung: NDArray[np.int64] | None = None  # None: all on the first

    def __len__(self) -> int:
        """How many trials there are."""
        return len(self.number)

    def value(self, metric: str) -> Floats:
        """Return the objective's values, else the metric's, NaN where a trial has none."""
        measured = self.measured.get(metric)
        if metric not in self.values:
            return measured.value if measured else np.full(len(self), np.nan)
        own = self.values[metric]
        return own if measured is None else np.where(np.isnan(own), measured.value, own)

    def interval(self, metric: str) -> tuple[Floats, Floats] | None:
        """Return (low, high), None for a metric that is exact or absent."""
        found, column = known(metric), self.measured.get(metric)
        if found is None or found.is_exact or column is None:
            return None
        return column.low, column.high

    @cached_property
    def counting(self) -> Bools:
        """Which trials may stand on a front: complete, and within every budget."""
        counting: Bools = (self.state == STATES.index("COMPLETE")) & (self.feasible == 1)
        return counting

    @cached_property
    def rungs(self) -> NDArray[np.int64]:
        """The rung that each trial trained on, from 0."""
        return np.zeros(len(self), np.int64) if self.rung is None else self.rung

    @cached_property
    def superseded(self) -> Bools:
        """Which trials' designs completed a higher rung (:func:`studies.pareto.highest`)."""
        if not self.rungs.any():
            return np.zeros(len(self), dtype=bool)
        reached: dict[str | None, int] = {}
        for row in np.flatnonzero(self.state == STATES.index("COMPLETE")).tolist():
            digest = self.digest[row]
            reached[digest] = max(int(self.rungs[row]), reached.get(digest, 0))
        highest = np.array([reached.get(digest, 0) for digest in self.digest], np.int64)
        known = np.array([digest is not None for digest in self.digest], dtype=bool)
        below: Bools = known & (self.rungs < highest)
        return below

    def comparable(self, metrics: Sequence[str]) -> Bools:
        """Return :func:`studies.pareto.comparable`: of the highest rung where one is trained."""
        if not any(map(is_trained, metrics)):
            return self.counting
        top: Bools = self.counting & (self.rungs == self.rungs[self.counting].max(initial=0))
        return top

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that some trial has a value for, in the order of the registry."""
        return tuple(
            metric.name for metric in all_metrics() if not np.isnan(self.value(metric.name)).all()
        )

    def points(self, metrics: Sequence[str]) -> Floats:
        """Return (trials, metrics), less better everywhere; NaN for trials not comparable."""
        columns = []
        for name in metrics:
            metric = known(name)
            sign = -1.0 if metric is not None and metric.goal == "maximise" else 1.0
            own = self.values.get(name)  # complete for what counts, so nothing else is read
            columns.append(sign * (self.value(name) if own is None else own))
        points = np.stack(columns, axis=1) if columns else np.empty((len(self), 0))
        return np.where(self.comparable(metrics)[:, None], points, np.nan)

    def front(self, metrics: Sequence[str], among: Bools | None = None) -> Bools:
        """Return which trials no other one dominates, ``among`` some of them or all."""
        if not len(self):
            return np.zeros(0, dtype=bool)
        if among is not None and not among.all():
            return undominated(np.where(among[:, None], self.points(metrics), np.nan))
        names = tuple(metrics)
        if names not in self._fronts:
            self._fronts[names] = undominated(self.points(names))
            self._fronts[names].flags.writeable = False
        return self._fronts[names]

    @cached_property
    def _fronts(self) -> dict[tuple[str, ...], Bools]:
        """The fronts of all trials that were asked for, by their metrics."""
        return {}

    def distinct(self, chosen: Bools) -> NDArray[np.int64]:
        """Return the rows of ``chosen``, the first of each design."""
        seen: dict[str | None, int] = {}
        for row in np.flatnonzero(chosen).tolist():
            seen.setdefault(self.digest[row], row)
        return np.array(sorted(seen.values()), dtype=np.int64)

    def ties(self, metrics: Sequence[str], front: Bools) -> Bools:
        """Return the trials off the ``front`` that noise keeps off it: within the errors of one.

        A trial ties when its best case, with each uncertain trained metric one standard error
        better, is dominated by none on the front in its worst case.
        """
        best, worst = self.points(metrics), self.points(metrics)
        uncertain = False
        for place, name in enumerate(metrics):
            metric, found = known(name), self.interval(name)
            if metric is None or found is None or metric.uncertainty != "stderr":
                continue
            half = np.nan_to_num((found[1] - found[0]) / 2)
            best[:, place] -= half
            worst[:, place] += half
            uncertain = uncertain or bool((half > 0).any())
        tied = np.zeros(len(self), dtype=bool)
        if not uncertain:
            return tied
        tied = ~front & ~np.isnan(best).any(axis=1)
        for corner in worst[front]:  # a few dozen, of which each beats nearly all
            left = np.flatnonzero(tied)
            points = best[left]
            tied[left] = ~((corner <= points).all(axis=1) & (corner < points).any(axis=1))
        return tied

    def reference(self, metrics: Sequence[str], margin: float = 0.1) -> tuple[float, ...]:
        """Return `studies.pareto.reference_point` of the trials; empty when none counts."""
        points = self.points(metrics)
        points = points[~np.isnan(points).any(axis=1)]
        if not len(points):
            return ()
        worst = points.max(axis=0).tolist()
        return tuple(x * (1 + margin if x >= 0 else 1 - margin) for x in worst)

    def volumes(self, metrics: Sequence[str], order: NDArray[np.int64] | None = None) -> Floats:
        """Return the front's hypervolume after each trial, in their order or in ``order``."""
        reference, points = self.reference(metrics), self.points(metrics)
        chosen = points if order is None else points[order]
        return volume_history(chosen, reference) if reference else np.zeros(len(chosen))

    @cached_property
    def done(self) -> int:
        """How many trials count as done: ended on the first rung, and not by an interruption."""
        ended = (self.state <= STATES.index("FAIL")) & ~self.interrupted
        return int((ended & (self.rungs == 0)).sum())

    @classmethod
    def of_records(cls, trials: Sequence[TrialRecord], objectives: Sequence[str]) -> "StudyTable":
        """Return the table of ``trials`` with these objectives."""
        nan = float("nan")

        measured = {}
        for metric in all_metrics():
            found = [trial.measured(metric.name) for trial in trials]
            if any(found):
                measured[metric.name] = Column(
                    np.array([f.value if f else nan for f in found], dtype=float),
                    np.array([f.low if f else nan for f in found], dtype=float),
                    np.array([f.high if f else nan for f in found], dtype=float),
                    np.array([f.source if f else None for f in found], dtype=object),
                )
        states = [STATES.index(trial.state) for trial in trials]
        return cls(
            np.array([trial.number for trial in trials], dtype=np.int64),
            np.array(states, dtype=np.int8),
            np.array(
                [-1 if t.feasible is None else int(t.feasible) for t in trials], dtype=np.int8
            ),
            np.array([trial.name for trial in trials], dtype=object),
            np.array([trial.digest for trial in trials], dtype=object),
            seconds([trial.started for trial in trials]),
            seconds([trial.ended for trial in trials]),
            {n: np.array([t.values.get(n, nan) for t in trials], dtype=float) for n in objectives},
            measured,
            {trial.number: trial.failed for trial in trials if trial.failed},
            np.array([trial.interrupted for trial in trials], dtype=bool),
            np.array([trial.rung for trial in trials], dtype=np.int64),
        )


def seconds(moments: Sequence[object]) -> Floats:
    """Return dates, as dates or ISO text, in seconds since 1970; NaN for None."""
    found = np.array([m or "NaT" for m in moments], dtype="datetime64[us]")
    return np.where(np.isnat(found), np.nan, found.astype(np.int64) / 1e6)
