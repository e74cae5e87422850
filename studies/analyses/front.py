"""Fronts: every design over two metrics, with the study's front."""

from collections.abc import Sequence
from itertools import combinations

from studies import pareto
from studies.analyses.card import Card
from studies.analyses.notes import sign_notes
from studies.figures.pareto import Bars, pareto_figure, plotted
from studies.metrics import METRICS
from studies.reading import StudyData
from studies.records import TrialRecord

MARKS = (
    "Filled points are exact or measured, hollow ones estimated; bars are 80 % intervals of "
    "latency and standard errors of the proxy loss. Stars are named designs; a dotted line joins "
    "steps of the SnapGen design walk. Candidates over budget were not trained and are ticks at "
    "the edge."
)

CLOUD_MARKS = (
    "Diamonds are on the front, triangles tie with it within noise, circles are dominated, crosses "
    "over budget, stars named; at the top edge: not trained or failed or running. Filled marks are "
    "exact or measured, hollow ones estimated; bars are 80 % intervals of latency and standard "
    "errors of the loss. The cloud behind the front is thinned where it is dense, the front never."
)


def fronts(study: StudyData) -> list[Card]:
    """Return a card for each pair of objectives, and for the first objective over the sizes."""
    names = study.objectives
    pairs = [(x, y) for y, x in combinations(names, 2)]
    pairs += [(size, names[0]) for size in ("params", "macs") if size not in names]
    return [card for x, y in pairs for card in front(study, x, y)]


def front(
    study: StudyData,
    x: str,
    y: str,
    *,
    trials: Sequence[TrialRecord] | None = None,
    colour: str | None = None,
    bars: Bars = "few",
    selected: int | None = None,
) -> list[Card]:
    """Return the card of ``y`` over ``x``; none where no trial has both.

    ``trials`` are those to draw, by default all. ``colour``, ``bars`` and ``selected`` are those of
    :func:`studies.figures.pareto.pareto_figure`.
    """
    chosen = study.trials if trials is None else trials
    if not {x, y} <= set(METRICS.names()) or not plotted(chosen, x, y):
        return []
    figure = pareto_figure(
        chosen,
        study.objectives,
        x,
        y,
        colour=colour,
        budgets=study.shared.budgets,
        bars=bars,
        selected=selected,
    )
    title = f"{METRICS.get(y).title} over {METRICS.get(x).title}"
    best = pareto.distinct(pareto.front(chosen, (x, y)))
    words = f"On the front of these two: {', '.join(t.label for t in best) or 'nothing yet'}."
    return [Card(title, (words,), figure, notes=(MARKS, *sign_notes(chosen)))]
