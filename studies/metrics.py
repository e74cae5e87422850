"""The registry of metrics: what configs, fronts, figures, tables and commands know of.

There is no other list of metrics. Every metric that is known before training can be an objective
and a budget, a trained one an objective. To add one, :func:`register` it before a config is read;
`tests/extending/test_add_objective.py` does.

>>> [metric.name for metric in all_metrics() if metric.in_tables]
['proxy_loss', 'latency_ms', 'params', 'macs']
>>> METRICS.get("latency")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: unknown metric 'latency'; did you mean 'latency_ms'? ...
"""

from collections.abc import Callable

from search_space.registry import Registry
from studies.fidelity import ranks
from studies.metric import Candidate, Measured, Metric, exact, weighted_sum
from studies.picture_metrics import picture_metrics

METRICS: Registry[Metric] = Registry("metric")  # in the order that lists and tables show


def register(metric: Metric) -> Metric:
    """Add ``metric`` to the registry; raises :class:`WalkbenchError` for a name that is taken."""
    METRICS.register(metric.name, metric)
    return metric


def all_metrics() -> list[Metric]:
    """Return every metric in the order of registration."""
    return [METRICS.get(name) for name in METRICS.names()]


def known(name: str) -> Metric | None:
    """Return the metric called ``name``; None for an objective that something else optimised."""
    return METRICS.get(name) if name in METRICS.names() else None


def budget_names() -> list[str]:
    """Return the metrics that a budget can limit: those known before a candidate is trained."""
    return [metric.name for metric in all_metrics() if metric.stage != "trained"]


def _proxy_loss(candidate: Candidate) -> Measured | None:
    score = candidate.score
    if score is None or not score.ok:
        return None
    return Measured(score.value, score.value - score.stderr, score.value + score.stderr, "trained")


def _latency(candidate: Candidate) -> Measured | None:
    latency = candidate.latency
    if latency is None:
        return None
    return Measured(latency.ms, latency.low, latency.high, latency.source)


def _cost(field: str) -> Callable[[Candidate], Measured | None]:
    def measure(candidate: Candidate) -> Measured | None:
        return None if candidate.cost is None else exact(getattr(candidate.cost, field))

    return measure


def _quality(field: str) -> Callable[[Candidate], Measured | None]:
    """Of the validation pictures that a trained decoder makes; UNets have none."""

    def measure(candidate: Candidate) -> Measured | None:
        score = candidate.score
        if score is None or not score.ok or score.quality is None:
            return None
        return exact(getattr(score.quality, field))

    return measure


PROXY_LOSS = register(
    Metric(
        "proxy_loss",
        "Proxy loss",
        _proxy_loss,
        stage="trained",
        uncertainty="stderr",
        digits=4,
        in_tables=True,
        ranks=lambda candidate: ranks(candidate.score.fidelity) if candidate.score else None,
    )
)
LATENCY = register(
    Metric(
        "latency_ms",
        "Latency",
        _latency,
        unit="ms",
        stage="lookup",
        uncertainty="interval",
        heading="latency ms",
        in_tables=True,
    )
)
PARAMS = register(
    Metric(
        "params",
        "Parameters",
        _cost("params"),
        unit="M",
        scale=1e6,
        digits=2,
        heading="params",
        in_tables=True,
    )
)
MACS = register(
    Metric(
        "macs",
        "MACs",
        _cost("macs"),
        unit="G",
        scale=1e9,
        digits=1,
        heading="MACs",
        in_tables=True,
    )
)
PSNR = register(
    Metric(
        "psnr",
        "PSNR of a decoder",
        _quality("psnr"),
        goal="maximise",
        unit="dB",
        stage="trained",
        digits=2,
    )
)
SSIM = register(
    Metric(
        "ssim",
        "SSIM of a decoder",
        _quality("ssim"),
        goal="maximise",
        stage="trained",
        digits=4,
    )
)
WEIGHTS = register(
    Metric(
        "weight_bytes",
        "Weights, fp16",
        _cost("weight_bytes"),
        unit="MB",
        scale=1e6,
        digits=1,
        heading="weights",
    )
)
TRAFFIC = register(
    Metric(
        "activation_bytes",
        "Activation traffic",
        _cost("activation_bytes"),
        unit="GB",
        scale=1e9,
        digits=2,
        heading="traffic",
    )
)
PEAK = register(
    Metric(
        "peak_activation_bytes",
        "Peak activation",
        _cost("peak_activation_bytes"),
        unit="MB",
        scale=1e6,
        digits=1,
        heading="peak",
    )
)
MEMORY = register(
    Metric(
        "memory_bytes",
        "Memory at peak, fp16",  # what a process holds: the weights and the activations at peak
        weighted_sum((WEIGHTS, 1.0), (PEAK, 1.0)),
        unit="MB",
        scale=1e6,
        digits=1,
        heading="memory",
    )
)
for _metric in picture_metrics(PROXY_LOSS):
    register(_metric)
