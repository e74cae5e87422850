"""Adding a latency backend takes one file: a class, registered under its name.

The toy device runs 1 GMAC in 1 ms and takes 0.1 ms to start a graph. It passes the conformance
suite, `walkbench latency measure` finds it by name, and a study can use its table.
"""

import pytest
from typer.testing import CliRunner

from latency_db import source_of
from latency_db.backends.backend import BACKENDS, backend_of, register_backend
from latency_db.builder_chain import key_of
from latency_db.table_row import MeasuringConditions
from latency_db.testing import LatencyBackendSuite
from search_space.cost import block_cost, cost
from search_space.presets import named_spec
from search_space.spec import UNetSpec
from studies.cli.main import app


class ToyRunner:
    units_planned = "toy"

    def __init__(self, ms):
        self.ms = ms

    def sample(self, count):
        return [self.ms] * count

    def close(self):
        pass


class ToyBackend:
    name = "toy"
    copies = (1, 3)
    seconds_per_graph = 0.001
    rates = (1e12, 1e10)

    def __init__(self):
        self.conditions = MeasuringConditions("a toy", runtime="toy", versions="toy 1")

    def prepare(self, subject, copies):
        assert key_of(subject)
        priced = cost(subject) if isinstance(subject, UNetSpec) else block_cost(subject)
        return ToyRunner(0.1 + copies * max(priced.macs / 1e9, 1e-6))

    def close(self):
        pass


@pytest.fixture(scope="module", autouse=True)
def registered():
    register_backend(ToyBackend)
    yield
    del BACKENDS["toy"]


class TestToyBackend(LatencyBackendSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, tmp_path_factory):
        return backend_of("toy")


def test_the_command_line_measures_with_it_and_a_source_reads_its_table(tmp_path):
    path = tmp_path / "toy.csv"
    words = ["latency", "measure", str(path), "--spec", "F/mqa", "--backend", "toy"]
    result = CliRunner().invoke(app, [*words, "--passes", "1", "--rounds", "2"])
    assert result.exit_code == 0, result.output
    source = source_of(tables=[path])
    assert source.device == "a toy"
    latency = source.predict(named_spec("F/mqa"))
    assert latency.source == "measured"
    assert latency.ms == pytest.approx(0.1 + cost(named_spec("F/mqa")).macs / 1e9, rel=1e-3)
