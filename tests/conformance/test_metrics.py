"""Every metric that ships passes the suite."""

from studies.metrics import METRICS
from studies.testing import MetricSuite

SHIPPED = (
    "proxy_loss",
    "latency_ms",
    "params",
    "macs",
    "weight_bytes",
    "activation_bytes",
    "peak_activation_bytes",
    "memory_bytes",
)


def test_every_shipped_metric_is_below():
    assert METRICS.names() == SHIPPED


for _name in SHIPPED:
    _class = f"Test{_name.title().replace('_', '')}"
    globals()[_class] = type(_class, (MetricSuite,), {"name": _name})
