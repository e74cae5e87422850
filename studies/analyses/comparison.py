"""Two to four designs side by side: their numbers, and the choices in which they differ."""

from collections.abc import Sequence

from studies.analyses.card import Card, CardColumn, CardTable
from studies.metrics import all_metrics
from studies.reading import StudyData


def comparison(study: StudyData, numbers: Sequence[int]) -> list[Card]:
    """Return the card of the trials ``numbers`` side by side; none for fewer than two."""
    trials = study.chosen(list(dict.fromkeys(numbers)))
    if len(trials) < 2:
        return []
    columns = [CardColumn("")]
    columns += [CardColumn(f"{trial.label}, trial {trial.number}", right=True) for trial in trials]
    rows = []
    for metric in all_metrics():
        found = [trial.measured(metric.name) for trial in trials]
        if any(found):
            rows.append((metric.title, *map(metric.write, found)))
    for name in sorted({name for trial in trials for name in trial.params}):
        values = [str(trial.params.get(name, "–")) for trial in trials]
        if len(set(values)) > 1:
            rows.append((name, *values))
    words = "Equal choices are left out." if any(trial.params for trial in trials) else ""
    return [
        Card(
            "Side by side",
            (words,) if words else (),
            table=CardTable(tuple(columns), tuple(rows)),
        )
    ]
