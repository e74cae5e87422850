"""The steps of the design walk that a study trained, each against the step before."""

from collections.abc import Sequence

from proxies.score import Score, difference
from studies.analyses.card import Card, CardColumn, CardTable
from studies.analyses.columns import metric_columns, remark, shown_metrics
from studies.analyses.notes import sign_notes
from studies.figures.style import FAMILY_COLOUR
from studies.reading import StudyData
from studies.records import TrialRecord
from studies.verdict import ONE_SEED_WORDS, WORDS, verdict
from studies.walk_trials import steps_of_walk

Z_95 = 1.96  # standard errors from the middle to the end of a 95 % interval
PAIRED = (
    "Differences in loss are taken sample by sample on the same noise and times, so that what both "
    "losses share cancels; ± is their standard error over samples."
)


def walk_steps(study: StudyData) -> list[Card]:
    """Return a card for each family of the walk that the study has two steps of."""
    found = [(family, steps_of_walk(study.trials, family)) for family in FAMILY_COLOUR]
    return [_card(study, family, steps) for family, steps in found if len(steps) > 1]


def _card(study: StudyData, family: str, steps: Sequence[TrialRecord]) -> Card:
    metrics = shown_metrics(study, steps)
    remarks = any(map(remark, steps))
    columns = (
        CardColumn("step"),
        CardColumn("trial", under="step"),
        *metric_columns(metrics, steps, dense=True),
        CardColumn("Δ loss", right=True),
        CardColumn("verdict", under="Δ loss"),
        *[CardColumn("remark", under="step")] * remarks,
    )
    before: list[TrialRecord | None] = [None, *steps]
    rows = tuple(
        (
            trial.label,
            str(trial.number),
            *(metric.cell(trial.measured(metric.name)) for metric in metrics),
            *_change(trial.score, last.score if last else None),
            *[remark(trial)] * remarks,
        )
        for trial, last in zip(steps, before, strict=False)
    )
    notes = (PAIRED, WORDS, ONE_SEED_WORDS, *sign_notes(steps))
    return Card(f"The design walk, family {family}", table=CardTable(columns, rows), notes=notes)


def _change(score: Score | None, before: Score | None) -> tuple[str, str]:
    """Write the paired difference of two losses, and whether it is more than noise."""
    if score is None or before is None or not (score.ok and before.ok):
        return "–", ""
    change = difference(score, before)
    text = f"{change.value:+.4f} ± {change.stderr:.4f}".replace("-", "−")
    reach = Z_95 * change.stderr
    word = verdict(change.value - reach, change.value + reach, seeds=1)
    return text, word
