"""Tables of a study's designs: the front, named designs, or every trial."""

from collections.abc import Sequence

from search_space.presets import all_named
from studies.analyses.card import Card, CardColumn, CardTable
from studies.analyses.columns import FEASIBLE, metric_columns, remark, shown_metrics
from studies.analyses.notes import FRONT, RUNGS, sign_notes
from studies.reading import StudyData
from studies.records import TrialRecord
from studies.summary import best_designs


def designs(study: StudyData) -> list[Card]:
    """Return the table of every trial; none before the first design."""
    if not any(trial.cost for trial in study.trials):
        return []
    return [designs_table(study, study.trials, "Every trial")]


def designs_table(study: StudyData, trials: Sequence[TrialRecord], title: str) -> Card:
    """Return ``trials`` as a table. Columns about budgets and remarks stand where there are any."""
    on_front, named = {trial.number for trial in best_designs(study)}, all_named()
    metrics = shown_metrics(study, trials)
    over = any(trial.feasible is not True for trial in trials)
    remarks = any(map(remark, trials))
    rungs = bool(study.shared.rungs)
    columns = [
        CardColumn("design"),
        CardColumn("trial", right=True),
        *metric_columns(metrics, trials),
    ]
    columns += [CardColumn("rung", right=True)] * rungs
    columns += [CardColumn("in budget")] * over + [CardColumn("remark", under="design")] * remarks
    rows = [
        (
            f"{'●' if trial.number in on_front else ' '} "
            f"{'★' if trial.name in named else ' '} {trial.label}",
            str(trial.number),
            *(metric.cell(trial.measured(metric.name)) for metric in metrics),
            *([rung_cell(study, trial)] if rungs else []),
            *[FEASIBLE[trial.feasible]] * over,
            *[remark(trial)] * remarks,
        )
        for trial in trials
    ]
    notes = (FRONT, *[RUNGS] * rungs, *sign_notes(trials))
    return Card(title, table=CardTable(tuple(columns), tuple(rows)), notes=notes)


def rung_cell(study: StudyData, trial: TrialRecord) -> str:
    """Write a trial's rung, and how long it trained: 2 of 3, 800 steps."""
    rungs = study.shared.rungs
    steps = f", {rungs[trial.rung]['steps']:,} steps" if trial.score else ""
    return f"{trial.rung + 1} of {len(rungs)}{steps}"
