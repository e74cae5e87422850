"""How a study stands, in sentences: trials, objectives, budgets, front, training."""

from collections import Counter

from studies.analyses.card import Card
from studies.metrics import METRICS, known
from studies.reading import StudyData
from studies.summary import STATES, best_designs


def overview(study: StudyData) -> list[Card]:
    """Return one card of sentences; none before the first trial."""
    if not study.trials:
        return []
    counted = Counter(trial.state for trial in study.trials)
    ended = [f"{counted[s]} {STATES[s].replace('_', ' ')}" for s in STATES if counted[s]]
    of = f" of {study.target}" if study.target else ""
    sentences = [
        f"{study.done}{of} trials are done: {', '.join(ended)}.",
        f"Objectives: {', '.join(map(_objective, study.objectives))}.",
        f"Budgets: {budget_words(study)}.",
        f"Device: {study.shared.device or 'none'}.",
        f"{len(best_designs(study))} designs are on the Pareto front of the space "
        f"{study.shared.space or 'of another program'}.",
    ]
    trained = [trial.score for trial in study.trials if trial.trained and trial.score]
    if trained:
        seconds = sum(score.fidelity.seconds for score in trained)
        sentences.append(f"{len(trained)} designs were trained, {seconds:,.0f} s in all.")
    if len(study.shared.revisions) > 1:
        starts = ", ".join(str(one.first_trial) for one in study.shared.revisions[1:])
        sentences.append(
            f"Another revision of the latency model or of the training measured the trials from "
            f"{starts} on: compare across that with care."
        )
    return [Card(f"Study {study.name}", words=(" ".join(sentences),))]


def budget_words(study: StudyData) -> str:
    """Write the study's budgets: Latency ≤ 650 ms."""
    budgets = study.shared.budgets.items()
    return ", ".join(METRICS.get(name).limit(value) for name, value in budgets) or "none"


def _objective(name: str) -> str:
    metric = known(name)
    return f"{metric.title} ({metric.goal}d)" if metric else name
