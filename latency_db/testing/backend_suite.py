"""`LatencyBackendSuite`: what every way of timing must do.

Backends that run on this machine are tested on it; others override the fixture with a device.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from latency_db.backends.backend import BACKENDS, Backend, Runner, backend_class
from latency_db.builder import Effort, measure
from latency_db.builder_time import seconds_by_block
from latency_db.table import Table
from latency_db.table_source import TableSource
from search_space.blocks import Block, Norm, Resample, ResBlock, TimeEmbed, TransformerLayer
from search_space.spec import Conv


class LatencyBackendSuite:
    """Tests of one registered backend; override :meth:`backend`."""

    blocks: tuple[Block, ...] = (
        ResBlock(16, 0, 16, 8, 32, Conv(), Norm(4, 1e-5, "silu")),  # copies in series
        Resample("up", 16, 8, Conv("separable")),  # copies in parallel
        TransformerLayer(4, 8, 1, 4, 24, 7, True, True, 3.0, "rms", True, "skip"),
        TimeEmbed(16, 32, "silu"),
    )

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
        """Yield the backend under test, and close it."""
        raise NotImplementedError(f"{cls.__name__} must override the fixture `backend`")

    def test_it_is_a_registered_backend_that_names_itself(self, backend: Backend) -> None:
        """The registry finds its class by its name, and its chains grow."""
        assert isinstance(backend, Backend)
        assert backend.name in BACKENDS and isinstance(backend, backend_class(backend.name))
        conditions = backend.conditions
        assert conditions.device and conditions.runtime and conditions.versions
        first, second = backend.copies
        assert 0 < first < second

    def test_its_class_predicts_how_long_a_measurement_takes(self, backend: Backend) -> None:
        """Without a device: the class alone answers."""
        seconds = seconds_by_block(self.blocks, backend.name)
        assert all(0 < seconds[block] < 3600 for block in self.blocks)

    def test_a_runner_takes_the_requested_number_of_positive_times(self, backend: Backend) -> None:
        """And says where it ran."""
        for block in self.blocks:
            runner = backend.prepare(block, backend.copies[0])
            assert isinstance(runner, Runner)
            times = runner.sample(3)
            assert len(times) == 3 and all(time > 0 for time in times)
            assert runner.units_planned
            runner.close()

    def test_measured_blocks_become_a_table(self, backend: Backend, tmp_path: Path) -> None:
        """One row per block and pass, which a table source can read."""
        path, blocks = tmp_path / "table.csv", self.blocks[:2]
        outcome = measure(blocks, backend, path, Effort(passes=1, rounds=2, warm_up=1))
        table = Table.load(path)
        assert outcome.measured == len(blocks) and not outcome.skipped
        assert set(table.entries) == set(blocks)
        assert TableSource.of(table).device == backend.conditions.device
