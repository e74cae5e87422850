"""The steps of the design walk that a study trained, each against the step before."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from proxies.score import Score, difference
from search_space.presets import FAMILIES, walk_specs
from studies.analyses.card import Card, CardColumn, CardTable
from studies.analyses.columns import metric_columns, remark, shown_metrics
from studies.analyses.notes import sign_notes
from studies.figures.style import FAMILY_COLOUR
from studies.formats import interval, percent
from studies.reading import StudyData
from studies.records import TrialRecord
from studies.verdict import ONE_SEED_WORDS, WORDS, verdict
from studies.walk import measured_walk
from studies.walk_trials import steps_of_walk, trials_of_walks

Z_95 = 1.96  # standard errors from the middle to the end of a 95 % interval
PAIRED = (
    "Differences in loss are taken sample by sample on the same noise and times, so that what both "
    "losses share cancels; the 95 % interval in brackets is over samples."
)
OVER_SEEDS = "over seeds"
Seeded = dict[tuple[str | None, str | None], dict[str, Any]]  # by digests before and after
SEEDED = (
    "over seeds: what `walkbench walk` shows of the step, from {seeds} seeds of {steps:,} steps; "
    "where it is known, the verdict is its."
)


def walk_steps(study: StudyData) -> list[Card]:
    """Return a card for each family of the walk that the study has two steps of."""
    trials = trials_of_walks(study)
    found = [(family, steps_of_walk(trials, family)) for family in FAMILY_COLOUR]
    return [_card(study, family, steps) for family, steps in found if len(steps) > 1]


def _card(study: StudyData, family: str, steps: Sequence[TrialRecord]) -> Card:
    metrics = shown_metrics(study, steps)
    remarks = any(map(remark, steps))
    seeded = _seeded(steps)
    columns = (
        CardColumn("step"),
        CardColumn("trial", under="step"),
        *metric_columns(metrics, steps, dense=True),
        CardColumn("Δ loss (95 %)", right=True),
        CardColumn("verdict", under="Δ loss (95 %)"),
        *[CardColumn(OVER_SEEDS, under="Δ loss (95 %)")] * bool(seeded),
        *[CardColumn("remark", under="step")] * remarks,
    )
    before: list[TrialRecord | None] = [None, *steps]
    rows = tuple(
        (
            trial.label,
            str(trial.number),
            *(metric.cell(trial.measured(metric.name)) for metric in metrics),
            *_change(trial, last, seeded),
            *[remark(trial)] * remarks,
        )
        for trial, last in zip(steps, before, strict=False)
    )
    seeds = tuple(SEEDED.format(**one) for one in list(seeded.values())[:1])
    notes = (PAIRED, WORDS, ONE_SEED_WORDS, *seeds, *sign_notes(steps))
    return Card(f"The design walk, family {family}", table=CardTable(columns, rows), notes=notes)


def _change(trial: TrialRecord, last: TrialRecord | None, seeded: Seeded) -> list[str]:
    """Write how the loss differs from the step before, and whether that is more than noise.

    Several seeds decide it where validation trained them; the study itself trained one.
    """
    found = seeded.get((last.digest, trial.digest)) if last else None
    text, word = _difference(trial.score, last.score if last else None)
    if found:
        word = found["verdict"]
    over = f"{percent(found['relative'])} {found['verdict']}" if found else "–"
    return [text, word, *[over] * bool(seeded)]


def _difference(score: Score | None, before: Score | None) -> tuple[str, str]:
    """Write the paired difference of two losses, and whether it is more than noise."""
    if score is None or before is None or not (score.ok and before.ok):
        return "–", ""
    change = difference(score, before)
    reach = Z_95 * change.stderr
    low, high = change.value - reach, change.value + reach
    return interval(change.value, low, high), verdict(low, high, seeds=1)


def _seeded(steps: Sequence[TrialRecord]) -> Seeded:
    """Return what validation measured over seeds, by the digests before and after a step."""
    digests = {
        f"{name}/{step}": spec.digest()
        for name, family in FAMILIES.items()
        for step, spec in walk_specs(family).items()
    }
    pairs = {(a.digest, b.digest) for a, b in pairwise(steps)}
    found = {
        (digests[change["before"]], digests[after]): change
        for after, change in measured_walk().items()
    }
    return {pair: change for pair, change in found.items() if pair in pairs}
