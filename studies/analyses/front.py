"""Fronts: every design over two metrics, with the study's front."""

from collections.abc import Sequence
from itertools import combinations

from studies import pareto
from studies.analyses.card import Card
from studies.analyses.notes import sign_notes
from studies.figures.cloud import FLAT
from studies.figures.pareto import Bars, pareto_figure, plotted
from studies.metrics import METRICS
from studies.pareto import is_trained
from studies.reading import StudyData
from studies.records import TrialRecord
from studies.study_table import StudyTable

MARKS = (
    "Filled points are exact or measured, hollow ones estimated; bars are 80 % intervals of "
    "latency and standard errors of the proxy loss. Stars are named designs; a dotted line joins "
    "steps of the SnapGen design walk. Candidates over budget were not trained and are ticks at "
    "the edge."
)

CLOUD_MARKS = (
    "Diamonds are on the front, triangles tie with it within noise, circles are dominated, crosses "
    "over budget, stars named; at the top edge: not trained or failed or running."
)
LOWER = "Squares and framed stars trained on a lower rung: their losses do not compare."
SURENESS = {
    "interval": "Filled marks are exact or measured, hollow ones estimated; bars are 80 % "
    "intervals of {}.",
    "stderr": "Bars of {} are standard errors.",
}
THINNED = "The cloud behind the front is thinned where it is dense, the front never."


def cloud_notes(table: StudyTable, axes: Sequence[str]) -> tuple[str, ...]:
    """Return what the marks of a cloud over ``axes`` mean, as far as it has them."""
    notes = [CLOUD_MARKS, *[LOWER] * bool(table.rungs.any())]
    for kind, words in SURENESS.items():
        own = [m.phrase for m in map(METRICS.get, axes) if m.uncertainty == kind]
        notes += [words.format(" and ".join(own))] * bool(own)
    return (*notes, *[THINNED] * (len(table) > FLAT))


def fidelity_words(study: StudyData) -> str:
    """Say how long the designs trained whose losses compare; empty where nothing is trained."""
    table, shared = study.table, study.shared
    if not any(map(is_trained, study.objectives)) or not table.counting.any():
        return ""
    if shared.rungs:
        top = int(table.rungs[table.counting].max())
        steps = ", ".join(f"{one['steps']:,}" for one in shared.rungs)
        return f"The front is of rung {top + 1} of {len(shared.rungs)}, which train {steps} steps."
    trained = (shared.proxy or {}).get("steps")
    return f"Twins trained {trained:,} steps." if trained else ""


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
