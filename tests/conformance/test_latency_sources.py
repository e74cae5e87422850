"""Every latency source that ships passes the suite."""

import dataclasses

import pytest

from latency_db.estimate import ChipEstimate, estimate_block
from latency_db.source import LatencySource
from latency_db.table import Table
from latency_db.table_row import MeasuringConditions, Row
from latency_db.table_source import TableSource
from latency_db.testing import LatencySourceSuite
from search_space.plan import plan
from search_space.presets import all_named, named_spec


def table(*names: str) -> Table:
    """A table of made-up times: a tenth over the estimate of each block, and 0.2 ms a call."""
    rows = {}
    for name in names:
        for block, _ in plan(named_spec(name)).blocks():
            ms = 1.1 * estimate_block(block, "A15").ms
            samples = {1: [ms + 0.2], 4: [4 * ms + 0.2]}
            rows[block] = Row.of(block.key, MeasuringConditions("iPhone 13"), samples, run="a")
    return Table.of(rows.values(), "made-up")


class TestEstimate(LatencySourceSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> LatencySource:
        return ChipEstimate.of("A17 Pro")

    def test_a_deeper_network_is_never_faster(self, source):
        for name in ("sd21", "dreamlite", "F/qk-norm-rope"):
            spec = all_named()[name]
            mid = dataclasses.replace(spec.mid, depth=spec.mid.depth + 1)
            assert source.predict(spec.replace(mid=mid)).ms > source.predict(spec).ms


class TestTable(LatencySourceSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> LatencySource:
        return TableSource.of(table(*cls.specs))


class TestTableWithEstimatedGaps(LatencySourceSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> LatencySource:
        return TableSource.of(table("sd15", "snapgen-t2i"), "estimate")


class TestTableWithManyEstimatedGaps(LatencySourceSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> LatencySource:
        return TableSource.of(table("sd15"), "estimate")
