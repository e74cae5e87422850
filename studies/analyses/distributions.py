"""How a choice is distributed on the front against all designs.

>>> from studies.records import StudyRecord
>>> distributions(StudyData("empty", ("macs",), StudyRecord(), ()))
[]
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from studies.analyses.card import Card, CardColumn, CardTable
from studies.figures.effects import distributions_figure
from studies.reading import SOME, StudyData
from studies.records import TrialRecord
from studies.summary import best_designs

MOST_VALUES = 12  # of one choice that get a bar of their own
PANELS = 8
NOTE = (
    "A bar is the share of a value among the designs that made the choice. The front is few "
    "designs and a sampler's trials are no random sample: a difference is a hint, not an effect."
)
Shares = dict[str, tuple[float, float]]


def distributions(study: StudyData, choices: Sequence[str] | None = None) -> list[Card]:
    """Return the card of ``choices``, by default those that differ most; none without a front."""
    best = [trial for trial in best_designs(study) if trial.params]
    has_design = np.array([digest is not None for digest in study.table.digest], dtype=bool)
    every = study.table.distinct(has_design)
    designs = [trial for trial in study.some(every) if trial.params]
    if not best or len(designs) <= len(best):
        return []
    names = list(dict.fromkeys(name for trial in designs for name in trial.params))
    found = {name: shares for name in names if (shares := _shares(best, designs, name))}
    ranked = sorted(found, key=lambda name: -_distance(found[name]))
    shown = [name for name in choices if name in found] if choices else ranked[:PANELS]
    if not shown:
        return []
    columns = (
        CardColumn("choice"),
        CardColumn("on the front", right=True),
        CardColumn("all", right=True),
    )
    rows = tuple(
        (f"{name} = {value}", f"{100 * on_front:.0f} %", f"{100 * every:.0f} %")
        for name in shown
        for value, (on_front, every) in found[name].items()
    )
    among = f"{len(designs)} in all" if len(every) <= SOME else f"{SOME:,} of {len(every):,}"
    words = (
        f"{len(best)} designs on the front against {among}; the two differ most in "
        f"{', '.join(ranked[:3])}."
    )
    figure = distributions_figure({name: found[name] for name in shown})
    title = "Choices on the front against all"
    return [Card(title, (words,), figure, CardTable(columns, rows), (NOTE,))]


def _shares(best: Sequence[TrialRecord], designs: Sequence[TrialRecord], name: str) -> Shares:
    """Return the share of each value on the front and among all; empty with one value alone."""
    on_front = Counter(trial.params[name] for trial in best if name in trial.params)
    every = Counter(trial.params[name] for trial in designs if name in trial.params)
    if not on_front or len(every) < 2 or len(every) > MOST_VALUES:
        return {}
    values = sorted(every, key=lambda value: (isinstance(value, str), value))
    front_total, total = on_front.total(), every.total()
    return {str(v): (on_front[v] / front_total, every[v] / total) for v in values}


def _distance(shares: Shares) -> float:
    """Return the total variation between the two distributions, 0 to 1."""
    return sum(abs(a - b) for a, b in shares.values()) / 2
