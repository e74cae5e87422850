"""Growth of the front, trial by trial."""

from studies import pareto
from studies.analyses.card import Card
from studies.figures.progress import progress_figure
from studies.reading import StudyData


def progress(study: StudyData) -> list[Card]:
    """Return the card of the hypervolume after each trial; none before the first design."""
    if not any(trial.cost for trial in study.trials):
        return []
    history = pareto.hypervolume_history(study.trials, study.objectives)
    before = [0.0, *history[:-1]]
    gains = [
        str(trial.number)
        for trial, old, new in zip(study.trials, before, history, strict=True)
        if new > old
    ]
    words = f"The front grew at trials {', '.join(gains)}." if gains else "No front yet."
    figure = progress_figure(study.trials, study.objectives)
    note = "Hypervolume of the front up to the worst values of the study and a tenth beyond them."
    return [Card("Growth of the front", (words,), figure, notes=(note,))]
