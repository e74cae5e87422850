"""Conformance suites for latency sources and backends, for projects that add one.

Subclass a suite in a test file and override its fixture; pytest collects the inherited tests:

    class TestMySource(LatencySourceSuite):
        @pytest.fixture(scope="class")
        @classmethod
        def source(cls) -> LatencySource:
            return MySource()

The suites need pytest, which the package itself does not.
"""

from latency_db.testing.backend_suite import LatencyBackendSuite
from latency_db.testing.source_suite import LatencySourceSuite

__all__ = ["LatencyBackendSuite", "LatencySourceSuite"]
