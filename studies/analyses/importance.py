"""The choices that decide each objective."""

from studies.analyses.card import Card, CardColumn, CardTable
from studies.figures.importance import importance_figure
from studies.importance import LEAST_TRIALS, RESAMPLES, Importance, importances, usable
from studies.metrics import known
from studies.reading import StudyData

NOTE = (
    "Shares by PED-ANOVA: how far the best tenth of the trials differs from all in an axis; "
    "± is the standard error over resampled trials."
)


def importance(study: StudyData) -> list[Card]:
    """Return the card of the importance of every axis; none with too few trials."""
    return [card] if (card := importance_card(study, RESAMPLES)) else []


def importance_card(study: StudyData, resamples: int) -> Card | None:
    """Return the card, with errors from so many ``resamples``."""
    shares = {
        name: importances(study.trials, name, resamples)
        for name in study.objectives
        if len(usable(study.trials, name)) >= LEAST_TRIALS
    }
    shares = {name: found for name, found in shares.items() if found}
    if not shares:
        return None
    columns = [CardColumn("axis"), *(CardColumn(_title(name), right=True) for name in shares)]
    by_axis = {name: {one.axis: one for one in found} for name, found in shares.items()}
    axes = dict.fromkeys(one.axis for found in shares.values() for one in found)
    rows = tuple((axis, *(_cell(found.get(axis)) for found in by_axis.values())) for axis in axes)
    first = [f"{_title(name)} is decided most by {found[0].axis}" for name, found in shares.items()]
    words = f"{'; '.join(first)}."
    figure = importance_figure(shares)
    table = CardTable(tuple(columns), rows)
    return Card("Importance of every choice", (words,), figure, table, (NOTE,))


def _title(name: str) -> str:
    metric = known(name)
    return metric.title if metric else name


def _cell(found: Importance | None) -> str:
    return "–" if found is None else f"{100 * found.share:.0f} ± {100 * found.stderr:.0f} %"
