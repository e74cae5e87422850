"""A metric on an axis of a figure: where a trial lies, and how far its bar reaches.

>>> from search_space.cost import Cost
>>> from studies.metrics import METRICS
>>> trial = TrialRecord(0, "COMPLETE", cost=Cost(372_000_000, 1, 1, 1, 1))
>>> place(METRICS.get("params"), trial), bar(METRICS.get("params"), trial)
(372.0, None)
>>> place(METRICS.get("latency_ms"), trial) is None
True
"""

from collections.abc import Iterable

from studies.metric import Metric
from studies.metrics import all_metrics
from studies.records import TrialRecord


def place(metric: Metric, trial: TrialRecord) -> float | None:
    """Return the trial's value in the metric's printed unit, None where it has none."""
    value = trial.value(metric.name)
    return None if value is None else value / metric.scale


def bar(metric: Metric, trial: TrialRecord) -> tuple[float, float] | None:
    """Return (low, high) in the printed unit, None where the value is exact or absent."""
    found = trial.measured(metric.name)
    if metric.uncertainty == "exact" or found is None:
        return None
    return found.low / metric.scale, found.high / metric.scale


def usable_metrics(trials: Iterable[TrialRecord]) -> list[Metric]:
    """Return the metrics that some trial has a value for."""
    found = list(trials)
    return [m for m in all_metrics() if any(t.value(m.name) is not None for t in found)]


def number_sort(trial: TrialRecord, metrics: Iterable[Metric]) -> str:
    """Return the key of `studies.figures.style.MARK` that says how sure a point's place is."""
    looked_up = [metric for metric in metrics if metric.stage == "lookup"]
    sources = {found.source for m in looked_up if (found := trial.measured(m.name))}
    sources.discard("exact")
    return sources.pop() if len(sources) == 1 else "mixed" if sources else "exact"
