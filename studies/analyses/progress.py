"""Growth of the front, trial by trial."""

import numpy as np

from studies.analyses.card import Card
from studies.figures.progress import Over, progress_figure
from studies.reading import StudyData

NOTE = "Hypervolume of the front up to the worst values of the study and a tenth beyond them."
NAMED = 20  # trials that are named in words


def progress(study: StudyData) -> list[Card]:
    """Return the card of the hypervolume after each trial; none before the first design."""
    return growth(study, "trials")


def growth(study: StudyData, over: Over) -> list[Card]:
    """Return the card of the hypervolume over trials or seconds; none before the first design."""
    table = study.table
    if not table.counting.any() and not table.metrics:
        return []
    history = table.volumes(study.objectives)
    grew = table.number[np.diff(history, prepend=0.0) > 0].tolist()
    last = ", ".join(map(str, grew[-NAMED:]))
    words = f"The front grew at trials {last}." if grew else "No front yet."
    if len(grew) > NAMED:
        words = f"The front grew at {len(grew)} trials, last at {last}."
    figure = progress_figure(table, study.objectives, over)
    return [Card("Growth of the front", (words,), figure, notes=(NOTE,))]
