"""The choices that decide each objective."""

from studies.analyses.card import Card, CardColumn, CardTable
from studies.figures.importance import importance_figure
from studies.importance import LEAST_TRIALS, RESAMPLES, Importance, importances, usable_of
from studies.metrics import known
from studies.reading import SOME, StudyData

NOTE = (
    "Shares by PED-ANOVA: how far the best tenth of the trials differs from all in an axis; "
    "± is the standard error over resampled trials."
)


def importance(study: StudyData) -> list[Card]:
    """Return the card of the importance of every axis; none with too few trials."""
    return [card] if (card := importance_card(study, RESAMPLES)) else []


def importance_card(study: StudyData, resamples: int) -> Card | None:
    """Return the card, with errors from so many ``resamples``."""
    counted = {name: usable_of(study, name) for name in study.objectives}
    shares = {
        name: found
        for name, trials in counted.items()
        if len(trials) >= LEAST_TRIALS and (found := importances(trials, name, resamples))
    }
    if not shares:
        return None
    columns = [CardColumn("axis"), *(CardColumn(_title(name), right=True) for name in shares)]
    by_axis = {name: {one.axis: one for one in found} for name, found in shares.items()}
    axes = dict.fromkeys(one.axis for found in shares.values() for one in found)
    rows = tuple((axis, *(_cell(found.get(axis)) for found in by_axis.values())) for axis in axes)
    first = [f"{_title(name)} is decided most by {found[0].axis}" for name, found in shares.items()]
    words = f"{'; '.join(first)}."
    if len(study.table) > SOME:
        words += f" From {SOME:,} of the trials, at even distances."
    figure = importance_figure(shares)
    table = CardTable(tuple(columns), rows)
    return Card("Importance of every choice", (words,), figure, table, (NOTE,))


def _title(name: str) -> str:
    metric = known(name)
    return metric.title if metric else name


def _cell(found: Importance | None) -> str:
    return "–" if found is None else f"{100 * found.share:.0f} ± {100 * found.stderr:.0f} %"
