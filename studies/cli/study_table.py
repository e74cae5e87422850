"""The table of a study's designs, as `walkbench study` and `walkbench demo` print it."""

from collections.abc import Container, Sequence

from studies.cli.output import Column
from studies.metrics import all_metrics
from studies.reading import StudyData
from studies.records import TrialRecord
from studies.summary import best_designs

# What the table's signs mean, each said only where the table has it.
LEGEND = "● on the Pareto front, ★ a named design. Params and MACs are exact."
LOSS = (
    "Proxy loss: validation of a short training run of a small twin, ± standard error over samples;"
    "\nit ranks designs roughly and does not measure image quality."
)
LATENCY = "Latency: {device}, ○ estimated, ■ measured, ◧ both; 80 % interval in brackets."
_STATES = {"PRUNED": "over budget, not trained", "COMPLETE": ""}


def columns(study: StudyData, trials: Sequence[TrialRecord]) -> list[Column]:
    """Return the columns that ``trials`` fill."""
    own = {*study.objectives, *study.shared.budgets}
    chosen = [Column("design", "design"), Column("trial", "trial", right=True)]
    shown = [
        m
        for m in all_metrics()
        if (m.in_tables or m.name in own) and any(trial.measured(m.name) for trial in trials)
    ]
    exact = [m.name for m in shown if m.uncertainty == "exact"]  # stacked where room is short
    chosen += [
        Column(
            m.name,
            m.column,
            right=m.name in exact,
            under=exact[0] if m.name in exact[1:] else None,
        )
        for m in shown
    ]
    if any(trial.feasible is not True for trial in trials):
        chosen.append(Column("feasible", "in budget"))
    if any(trial.state != "COMPLETE" for trial in trials):
        chosen.append(Column("remark", "remark", under="design"))
    return chosen


def table_rows(
    study: StudyData, trials: Sequence[TrialRecord], named: Container[str]
) -> list[dict[str, str]]:
    """Return ``trials`` as text, with the signs of the front and of ``named`` designs."""
    on_front = {trial.number for trial in best_designs(study)}
    words = {True: "yes", False: "no", None: "–"}
    return [
        {
            "design": f"{'●' if trial.number in on_front else ' '} "
            f"{'★' if trial.name in named else ' '} {trial.label}",
            "trial": str(trial.number),
            **{m.name: m.cell(trial.measured(m.name)) for m in all_metrics()},
            "feasible": words[trial.feasible],
            "remark": trial.failed or _STATES.get(trial.state, trial.state.lower()),
        }
        for trial in trials
    ]


def legend(trials: Sequence[TrialRecord]) -> str:
    """Return the lines that explain the table's signs."""
    lines = [LEGEND]
    if any(trial.score for trial in trials):
        lines.append(LOSS)
    devices = [trial.latency_origin.device for trial in trials if trial.latency_origin]
    if devices:
        lines.append(LATENCY.format(device=devices[0]))
    return "\n".join(lines)
