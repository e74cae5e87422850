"""Conformance suites for metrics and samplers, for projects that add one.

Subclass a suite in a test file, name what is under test, and pytest collects the inherited tests:

    class TestMyMetric(MetricSuite):
        name = "my_metric"

The suites need pytest, which the package itself does not.
"""

from studies.testing.metric_suite import MetricSuite
from studies.testing.sampler_suite import SamplerSuite

__all__ = ["MetricSuite", "SamplerSuite"]
