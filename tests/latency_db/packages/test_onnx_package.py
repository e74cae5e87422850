"""Networks as ONNX: run against torch at two batches, weights beside the graph."""

import onnx
import pytest
import torch

from latency_db.packages import onnx_package
from latency_db.packages.onnx_package import DATA, GRAPH, ONNX, Settings, session_of
from latency_db.packages.package_folder import write_packages
from latency_db.packages.part_module import PartModule, part_inputs
from latency_db.packages.parts import whole
from latency_db.packages.weights import InitialWeights, fill
from tests.latency_db.packages.tiny import tiny, tiny_sdxl

pytestmark = pytest.mark.slow  # the conversion alone takes half a minute


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    (note,) = write_packages([whole(tiny_sdxl())], InitialWeights(0), Settings(), ONNX, folder)
    return folder / "Unet", note


def test_the_file_runs_within_1e5_of_torch_at_batch_one_and_two(written):
    _, note = written
    assert note["executed"] and note["max_error_of_rms"] <= 1e-5


def test_the_batch_is_dynamic_and_names_are_those_of_diffusers(written):
    session = session_of(written[0] / GRAPH)
    names = ["sample", "timestep", "encoder_hidden_states", "time_ids", "text_embeds"]
    assert [given.name for given in session.get_inputs()] == names
    assert {given.shape[0] for given in session.get_inputs()} == {"batch"}
    part = whole(tiny_sdxl())
    inputs = part_inputs(part, 3, "tokens", torch.Generator().manual_seed(1))
    module = fill(PartModule(part, "tokens"), part.network, InitialWeights(0))
    with torch.no_grad():
        wanted = module(**inputs)[0]
    assert torch.allclose(onnx_package.run(session, inputs)["noise_pred"], wanted, atol=1e-5)


def test_every_weight_lies_beside_the_graph(written):
    path, note = written
    onnx.checker.check_model(str(path / GRAPH))
    model = onnx.load(str(path / GRAPH), load_external_data=False)
    large = [
        t for t in model.graph.initializer if len(t.dims) > 1 and 4 * t.dims[0] * t.dims[1] > 8192
    ]
    assert large and all(t.data_location == onnx.TensorProto.EXTERNAL for t in large)
    assert (path / DATA).stat().st_size >= 4 * note["params"]
    assert (path / GRAPH).stat().st_size < 4 * note["params"]
    assert b".py" not in (path / GRAPH).read_bytes()  # no stack traces, no paths of this machine


@pytest.mark.slow
def test_a_network_that_memory_cannot_hold_twice_is_written_and_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_package, "_free_memory", lambda: 1000)
    found = onnx_package.write(whole(tiny()), InitialWeights(0), Settings(), tmp_path / "Unet")
    assert not found["executed"] and "max_error" not in found
    assert (tmp_path / "Unet" / GRAPH).exists()
