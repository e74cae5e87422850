"""The backends of this machine pass the suite.

The Core ML ones need a Mac; `tests/latency_db/test_coreml_backends.py` checks their use of
coremltools.
"""

import pytest

from latency_db.backends.backend import BACKENDS, backend_class, backend_of, register_backend
from latency_db.builder import Effort, measure
from latency_db.builder_width import with_first_width
from latency_db.table import Table
from latency_db.table_source import TableSource
from latency_db.testing import LatencyBackendSuite
from search_space.errors import WalkbenchError
from search_space.plan import plan
from search_space.presets import named_spec


@pytest.mark.slow
class TestOnnxRuntime(LatencyBackendSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, tmp_path_factory):
        made = backend_of("onnxruntime", cold=False, cache=tmp_path_factory.mktemp("onnx"))
        yield made
        made.close()


class TestTorch(LatencyBackendSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, tmp_path_factory):
        made = backend_of("torch", cold=False)
        yield made
        made.close()

    def test_a_small_network_can_be_measured_and_predicted(self, backend, tmp_path):
        spec = with_first_width(named_spec("F/thin"), width=32, latent=8)
        blocks = list(dict.fromkeys(b for b, _ in plan(spec).blocks()))
        path = tmp_path / "t.csv"
        outcome = measure([*blocks, spec], backend, path, Effort(passes=1, rounds=2, warm_up=1))
        table = Table.load(path)
        assert outcome.measured == len(blocks) + 1 and not outcome.skipped
        assert len(table.networks) == 1
        assert TableSource.of(table).predict(spec).coverage == 1.0


def test_every_backend_class_describes_itself_without_a_device():
    for name in BACKENDS:
        kind = backend_class(name)
        assert kind.name == name and kind.copies[0] < kind.copies[1]
        assert kind.seconds_per_graph > 0 and min(kind.rates) > 0


def test_two_backends_cannot_share_a_name():
    class Other:
        name = "torch"

    with pytest.raises(WalkbenchError, match="'torch' exists"):
        register_backend(Other)


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
