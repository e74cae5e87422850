"""What every latency backend must do: give positive times for every block, say where and how.

The backends of this machine run for real. The Core ML ones need a Mac; their contract with
coremltools is held by `tests/latency_db/test_coreml_backends.py`.
"""

import pytest

from latency_db.backends.backend import BACKENDS, Backend, Runner, backend_class, backend_of
from latency_db.builder import Effort, measure
from latency_db.builder_narrow import narrow
from latency_db.lookup import predict
from latency_db.table import Table
from search_space.block import Norm, Resample, ResBlock, TimeEmbed, TransformerLayer
from search_space.errors import WalkbenchError
from search_space.plan import plan
from search_space.presets import named_spec
from search_space.spec import Conv

HERE = ["onnxruntime", "torch"]
BLOCKS = [
    ResBlock(16, 0, 16, 8, 32, Conv(), Norm(4, 1e-5, "silu")),  # in series
    Resample("up", 16, 8, Conv("separable")),  # in parallel
    TransformerLayer(4, 8, 1, 4, 24, 7, True, True, 3.0, "rms", True, "skip"),
    TimeEmbed(16, 32, "silu"),
]


@pytest.fixture(scope="module", params=HERE)
def backend(request, tmp_path_factory):
    options = {"cold": False}
    if request.param == "onnxruntime":
        options["cache"] = tmp_path_factory.mktemp("onnx")
    made = backend_of(request.param, **options)
    yield made
    made.close()


def test_a_backend_keeps_the_protocol_and_names_itself(backend):
    assert isinstance(backend, Backend)
    assert BACKENDS[backend.name]
    assert backend.conditions.device and backend.conditions.runtime and backend.conditions.versions
    first, second = backend.copies
    assert 0 < first < second


def test_every_backend_class_says_its_chains_without_being_able_to_run():
    for name in BACKENDS:
        kind = backend_class(name)
        assert kind.name == name and kind.copies[0] < kind.copies[1]
        assert kind.seconds_per_graph > 0


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.kind)
def test_a_runner_gives_as_many_positive_times_as_it_is_asked_for(backend, block):
    runner = backend.prepare(block, 2)
    assert isinstance(runner, Runner)
    times = runner.sample(3)
    assert len(times) == 3 and all(t > 0 for t in times)
    assert runner.units_planned
    runner.close()


def test_a_small_network_can_be_measured_and_predicted(backend, tmp_path):
    if backend.name == "onnxruntime":
        pytest.skip("exporting a whole network takes a minute; test_builder measures one block")
    spec = narrow(named_spec("F/thin"), width=32, latent=8)
    blocks = list(dict.fromkeys(b for b, _ in plan(spec).blocks()))
    path = tmp_path / "t.csv"
    outcome = measure([*blocks, spec], backend, path, Effort(passes=1, rounds=2, warm_up=1))
    table = Table.load(path)
    assert outcome.measured == len(blocks) + 1 and not outcome.skipped
    assert len(table.networks) == 1
    assert predict(spec, table).coverage == 1.0


def test_an_unknown_backend_and_an_unknown_option_are_named():
    with pytest.raises(WalkbenchError, match="unknown latency backend 'onnx'"):
        backend_of("onnx")
    with pytest.raises(WalkbenchError, match="no option 'team'"):
        backend_of("torch", team="X")
    with pytest.raises(WalkbenchError, match="unknown optimisation level"):
        backend_of("onnxruntime", optimise="most")
    with pytest.raises(WalkbenchError, match="device 'tpu'"):
        backend_of("torch", device="tpu")
    with pytest.raises(WalkbenchError, match="precision 'fp8'"):
        backend_of("torch", precision="fp8")
