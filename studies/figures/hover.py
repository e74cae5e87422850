"""What a point of a study's plot says: the design, its numbers, and how its trial ended.

>>> outcome(TrialRecord(0, "PRUNED"))
'over budget, not trained'
"""

from studies.metrics import all_metrics
from studies.records import TrialRecord


def hover_text(trial: TrialRecord) -> str:
    """Return the text of a point: the design and its numbers with their uncertainty."""
    rung = f", rung {trial.rung + 1}" if trial.rung or trial.seed_losses else ""
    lines = [f"<b>{trial.label}</b>, trial {trial.number}{rung}"]
    shown = [m for m in all_metrics() if m.in_tables or m.name in trial.values]
    for metric in shown:
        found = trial.measured(metric.name)
        if found is None:
            continue
        note = {
            "exact": "",
            "stderr": ", standard error",
            "interval": f", {found.source}, 80 % interval",
        }[metric.uncertainty]
        lines.append(f"{metric.phrase} {metric.write(found)}{note}")
    lines.append(outcome(trial))
    return "<br>".join(lines)


def outcome(trial: TrialRecord) -> str:
    """Return in a few words how a trial ended, and whether it kept its budgets."""
    if trial.failed:
        return f"failed: {trial.failed}"
    if trial.state == "PRUNED":
        return "over budget, not trained"
    if trial.state != "COMPLETE":
        return trial.state.lower()
    return {True: "within budget", False: "over budget", None: "budgets not checked"}[
        trial.feasible
    ]
