"""The Core AI backend against coreai-torch's real benchmarker: its arguments and its results."""

import inspect

import pytest

from latency_db.backends.backend import backend_of
from latency_db.builder import Effort, measure
from latency_db.packages import coreai_runtime
from latency_db.table import Table
from search_space.blocks import ConvIn
from search_space.errors import WalkbenchError

benchmarker = pytest.importorskip(
    "coreai_torch.debugging.benchmarker", reason="the coreai extra is a beta, for few systems"
)
BLOCK = ConvIn(4, 8, 8)
FLOOR_MS, PER_CONV_MS = 0.5, 0.2


def parameters(function):
    return list(inspect.signature(function).parameters)


def result(samples, **changes):
    """A real result: operators with the milliseconds of each run."""
    timings = [
        benchmarker.OperationTiming(
            op_ids=[i], operations=[], measurement=benchmarker.Measurement.from_samples(times)
        )
        for i, times in enumerate(samples)
    ]
    return benchmarker.BenchmarkResult(operation_timings=timings, **changes)


@pytest.fixture
def mac(monkeypatch):
    """The system's Core AI; conversion, program and result are real, the times are played."""
    from coreai.runtime import SpecializationOptions

    async def benchmark(self, inputs, num_runs=1):
        assert inputs
        convs = str(self.coreai_program).count("coreai.conv2d")
        assert convs, str(self.coreai_program)[:2000]
        return result([[FLOOR_MS] * num_runs, *([PER_CONV_MS] * num_runs for _ in range(convs))])

    monkeypatch.setattr(coreai_runtime, "can_measure", lambda: True)
    monkeypatch.setattr(SpecializationOptions, "default", classmethod(lambda cls: None))
    monkeypatch.setattr(benchmarker.CoreAIBenchmarker, "benchmark", benchmark)


def test_the_benchmarker_has_the_arguments_it_is_given():
    made = parameters(benchmarker.CoreAIBenchmarker.__init__)
    assert {"coreai_program", "entry_point", "specialization_options"} <= set(made)
    assert parameters(benchmarker.CoreAIBenchmarker.benchmark) == ["self", "inputs", "num_runs"]
    assert inspect.iscoroutinefunction(benchmarker.CoreAIBenchmarker.benchmark)


def test_a_block_is_the_slope_of_two_chains_of_summed_operators(mac, tmp_path):
    backend = backend_of("coreai", folder=tmp_path)
    measure([BLOCK], backend, tmp_path / "t.csv", Effort(passes=1, rounds=3))
    table = Table.load(tmp_path / "t.csv")
    assert table.conditions.runtime == "coreai" and table.conditions.precision == "fp16"
    assert table.entries[BLOCK].ms == pytest.approx(PER_CONV_MS)
    assert table.floor_ms == pytest.approx(FLOOR_MS)


def test_a_run_that_lacks_operators_is_refused():
    with pytest.raises(WalkbenchError, match="1 operators in 2 runs"):
        coreai_runtime.run_sums(result([[1.0]]), 2)
    with pytest.raises(WalkbenchError, match="left 3 times unnamed"):
        coreai_runtime.run_sums(result([[1.0]], unattributed_samples=3), 1)
    assert coreai_runtime.run_sums(result([[1.0, 2.0], [0.5, 0.5]]), 2) == [1.5, 2.5]


def test_without_the_systems_core_ai_the_way_out_is_named():
    if coreai_runtime.can_measure():
        pytest.skip("this machine has it")
    with pytest.raises(WalkbenchError, match="USE_OS_COREAI=1"):
        backend_of("coreai")


def test_unknown_units_and_precision_are_named():
    with pytest.raises(WalkbenchError, match="compute units 'ane'"):
        backend_of("coreai", units="ane")
    with pytest.raises(WalkbenchError, match="precision 'int8'"):
        backend_of("coreai", precision="int8")
