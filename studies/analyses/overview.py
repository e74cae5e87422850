"""How a study stands, in sentences: trials, objectives, budgets, front, training."""

import numpy as np

from studies.analyses.card import Card
from studies.metrics import METRICS, known
from studies.reading import StudyData
from studies.summary import STATES, rung_rows

RECENT = 20  # trials whose pace says how much longer a study takes


def overview(study: StudyData) -> list[Card]:
    """Return one card of sentences; none before the first trial."""
    table = study.table
    if not len(table):
        return []
    counted = dict(zip(STATES, np.bincount(table.state, minlength=len(STATES)), strict=True))
    ended = [f"{counted[s]:,} {STATES[s].replace('_', ' ')}" for s in STATES if counted[s]]
    of = f" of {study.target:,}" if study.target else ""
    front = table.distinct(table.front(study.objectives))
    sentences = [
        f"{study.done:,}{of} trials are done: {', '.join(ended)}.",
        f"Objectives: {', '.join(map(_objective, study.objectives))}.",
        f"Budgets: {budget_words(study)}.",
        f"Device: {study.shared.device or 'none'}.",
        f"{len(front)} designs are on the Pareto front of the space "
        f"{study.shared.space or 'of another program'}.",
    ]
    if study.training:
        seconds = sum(study.training)
        sentences.append(f"{len(study.training):,} designs were trained, {seconds:,.0f} s in all.")
    if study.shared.rungs:
        reached = ", ".join(
            f"{row['designs']} after {row['steps']:,} steps" for row in rung_rows(study)
        )
        sentences.append(
            f"Of {len(study.shared.rungs)} rungs, designs have reached: {reached}. Only those of "
            "the highest are on the front."
        )
    if len(study.shared.revisions) > 1:
        starts = ", ".join(str(one.first_trial) for one in study.shared.revisions[1:])
        sentences.append(
            f"Another revision of the latency model or of the training measured the trials from "
            f"{starts} on: compare across that with care."
        )
    return [Card(f"Study {study.name}", words=(" ".join(sentences),))]


def time_left(study: StudyData) -> str:
    """Say how long the trials that are left take at the pace of the last ones; empty if unknown."""
    ended = np.sort(study.table.ended[~np.isnan(study.table.ended)])[-RECENT:]
    left = (study.target or 0) - study.done
    if left <= 0 or len(ended) < 2 or ended[-1] <= ended[0]:
        return ""
    seconds = left * (ended[-1] - ended[0]) / (len(ended) - 1)
    for unit, words in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * unit:
            return f"about {seconds / unit:,.0f} {words} left"
    return f"about {seconds:,.0f} seconds left"


def budget_words(study: StudyData) -> str:
    """Write the study's budgets: Latency ≤ 650 ms."""
    budgets = study.shared.budgets.items()
    return ", ".join(METRICS.get(name).limit(value) for name, value in budgets) or "none"


def _objective(name: str) -> str:
    metric = known(name)
    return f"{metric.title} ({metric.goal}d)" if metric else name
