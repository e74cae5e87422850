"""What each trial of a study is in a cloud over two or three metrics, and the mark that says so.

>>> from studies.records import TrialRecord
>>> trials = [
...     TrialRecord(t, "COMPLETE", feasible=ok, values={"macs": macs, "params": params})
...     for t, ok, macs, params in [(0, True, 3e11, 4e8), (1, False, 2e11, 6e8)]
... ]
>>> table = StudyTable.of_records(trials, ("macs", "params"))
>>> found = roles(table, Cloud("params", "macs", ("macs", "params")))
>>> {role: rows.tolist() for role, rows in found.items() if len(rows)}
{'over budget': [1], 'on the front': [0]}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studies.figures.cloud_colour import Colour
from studies.figures.style import (
    FEASIBLE_COLOUR,
    FRONT_COLOUR,
    INFEASIBLE_COLOUR,
    LOWER_COLOUR,
    NAMED_COLOUR,
    TIE_COLOUR,
)
from studies.metrics import METRICS
from studies.study_table import STATES, Bools, Floats, StudyTable

Bars = Literal["few", "all", "none"]
Rows = NDArray[np.int64]

# role: symbol where the place is exact or measured, where it is estimated, size, colour
ROLES = {
    "over budget": ("x-thin", "x-thin", 7, INFEASIBLE_COLOUR),
    "failed": ("x", "x-open", 8, NAMED_COLOUR),
    "running": ("triangle-down", "triangle-down-open", 9, FEASIBLE_COLOUR),
    "on a lower rung": ("square", "square-open", 5, LOWER_COLOUR),
    "dominated": ("circle", "circle-open", 6, FEASIBLE_COLOUR),
    "ties within noise": ("triangle-up", "triangle-up-open", 10, TIE_COLOUR),
    "on the front": ("diamond", "diamond-open", 11, FRONT_COLOUR),
    "named, on a lower rung": ("star-square", "star-square-open", 12, LOWER_COLOUR),
    "named": ("star", "star-open", 14, NAMED_COLOUR),
}
SPECIAL = ("on the front", "named, on a lower rung", "named")  # never thinned, with intervals


@dataclass(frozen=True)
class Cloud:
    """What to draw: axes, the objectives that decide the front, and what is cut off.

    ``limits`` are budgets by metric, in the metric's own unit, that cut the cloud; ``budgets`` the
    study's, drawn as lines. ``selected`` are the numbers of trials to ring.
    """

    x: str
    y: str
    objectives: tuple[str, ...]
    z: str | None = None
    colour: Colour | None = None
    bars: Bars = "few"
    limits: Mapping[str, float] = field(default_factory=dict)
    budgets: Mapping[str, float] = field(default_factory=dict)
    selected: tuple[int, ...] = ()

    @property
    def axes(self) -> tuple[str, ...]:
        """The metrics that span the figure."""
        return (self.x, self.y) if self.z is None else (self.x, self.y, self.z)


def within(table: StudyTable, limits: Mapping[str, float]) -> Bools:
    """Return which trials keep all ``limits``; one without the metric keeps it."""
    kept = np.ones(len(table), dtype=bool)
    for name, limit in limits.items():
        metric, values = METRICS.get(name), table.value(name)
        bad = values > limit if metric.goal == "minimise" else values < limit
        kept &= ~bad
    return kept


def roles(table: StudyTable, cloud: Cloud) -> dict[str, Rows]:
    """Return the rows of each role among the trials that have a place; each is in one role."""
    placed = within(table, cloud.limits) & ~table.superseded
    for name in cloud.axes:
        placed &= ~np.isnan(table.value(name))
    front = table.front(cloud.objectives, among=within(table, cloud.limits))
    tied = table.ties(cloud.objectives, front) & placed
    best = np.zeros(len(table), dtype=bool)
    best[table.distinct(front)] = True
    named = np.zeros(len(table), dtype=bool)
    has_name = np.array([name is not None for name in table.name], dtype=bool)
    named[table.distinct(has_name & placed)] = True
    left = placed & ~named & ~front
    compared = table.comparable(cloud.objectives)
    failed = table.state == STATES.index("FAIL")
    running = np.isin(table.state, [STATES.index(name) for name in ("RUNNING", "WAITING")])
    groups = {
        "over budget": left & ~table.counting & ~failed & ~running,
        "failed": left & failed,
        "running": left & running,
        "on a lower rung": left & table.counting & ~compared,
        "dominated": left & compared & ~tied,
        "ties within noise": left & tied,
        "on the front": best & placed & ~named,
        "named, on a lower rung": named & placed & table.counting & ~compared,
        "named": named & placed & ~(table.counting & ~compared),
    }
    return {role: np.flatnonzero(chosen) for role, chosen in groups.items()}


def place(table: StudyTable, name: str) -> Floats:
    """Return a metric in its printed unit."""
    return table.value(name) / METRICS.get(name).scale


def design_words(table: StudyTable, rows: Rows) -> NDArray[np.object_]:
    """Return the names of designs, else their digests."""
    return np.array([table.name[r] or table.digest[r] or "–" for r in rows.tolist()], dtype=object)
