"""The columns that tables of trials share: which metrics, under which headings, and the remark.

>>> from studies.records import StudyRecord
>>> study = StudyData("empty", ("macs",), StudyRecord(), ())
>>> [metric.name for metric in shown_metrics(study, [TrialRecord(0, "COMPLETE")])]
[]
"""

from collections.abc import Iterable, Sequence

from studies.analyses.card import CardColumn
from studies.metric import Metric
from studies.metrics import all_metrics
from studies.reading import StudyData
from studies.records import TrialRecord

FEASIBLE = {True: "yes", False: "no", None: "–"}
_STATES = {"COMPLETE": "", "PRUNED": "over budget, not trained"}


def shown_metrics(study: StudyData, trials: Sequence[TrialRecord]) -> list[Metric]:
    """Return the metrics that a table of ``trials`` shows: common ones and the study's own."""
    own = {*study.objectives, *study.shared.budgets}
    return [
        metric
        for metric in all_metrics()
        if (metric.in_tables or metric.name in own)
        and any(trial.measured(metric.name) for trial in trials)
    ]


def metric_columns(
    metrics: Sequence[Metric], trials: Sequence[TrialRecord], *, dense: bool = False
) -> list[CardColumn]:
    """Return a column for each metric. Where room is short, exact ones share a column.

    With ``dense`` the uncertain ones share another.
    """
    headings = [heading(metric, trials) for metric in metrics]
    groups: dict[bool, str] = {}
    columns = []
    for name, metric in zip(headings, metrics, strict=True):
        first = groups.setdefault(metric.is_exact, name)
        stacked = first != name and (metric.is_exact or dense)
        columns.append(CardColumn(name, right=metric.is_exact, under=first if stacked else None))
    return columns


def heading(metric: Metric, trials: Iterable[TrialRecord]) -> str:
    """Return a metric's heading, which says where its values are known not to rank designs."""
    return metric.column + (", not a ranking" if does_not_rank(metric, trials) else "")


def does_not_rank(metric: Metric, trials: Iterable[TrialRecord]) -> bool:
    """Whether validation showed that some of these values do not order designs."""
    return any(metric.ranks(t) is False for t in trials if t.measured(metric.name))


def remark(trial: TrialRecord) -> str:
    """Return why a trial has no values, or whose score it has; empty for an ordinary one."""
    if trial.failed:
        return trial.failed
    if trial.trained_by is not None:
        return f"score of trial {trial.trained_by}"
    if trial.cached_from is not None:
        return f"score of {trial.cached_from}"
    if trial.rung and trial.again_of is not None and trial.state == "COMPLETE":
        return f"climbed, trial {trial.again_of} before"
    return _STATES.get(trial.state, trial.state.lower())
