"""Networks as Core AI programs, executed by its interpreter and compared with torch."""

import pytest
import torch

from latency_db.packages.coreai_package import COREAI, Settings, differences
from latency_db.packages.package_folder import write_packages
from latency_db.packages.parts import cut_into, sizes_at, whole
from latency_db.packages.weights import InitialWeights
from search_space.errors import WalkbenchError
from tests.latency_db.packages.tiny import tiny, tiny_sdxl

coreai = pytest.importorskip("coreai_torch", reason="the coreai extra is a beta, for few systems")


@pytest.mark.slow
def test_a_whole_network_executes_within_1e5_of_the_rms(tmp_path):
    part = whole(tiny_sdxl())
    (note,) = write_packages([part], InitialWeights(0), Settings(), COREAI, tmp_path)
    assert note["max_error_of_rms"] <= 1e-5
    assert [port["name"] for port in note["inputs"]] == list(part.inputs)
    assert note["inputs"][2]["shape"] == [1, 7, 48]  # text as tokens
    assert [port["name"] for port in note["outputs"]] == ["noise_pred"]
    assert (tmp_path / "Unet.aimodel" / "main.mlirb").stat().st_size > 4 * note["params"]


@pytest.mark.slow
def test_two_half_precision_programs_execute_within_half_precision(tmp_path, capfd):
    parts = cut_into(tiny(), 2, sizes_at(16))
    notes = write_packages(parts, InitialWeights(0), Settings("fp16"), COREAI, tmp_path)
    assert [note["file"] for note in notes] == ["UnetChunk1.aimodel", "UnetChunk2.aimodel"]
    assert all(note["rms_error_of_rms"] <= 3e-3 for note in notes)
    assert capfd.readouterr() == ("", "")  # the runtime writes to the terminal by itself


def test_differences_are_the_worst_of_all_outputs():
    wanted = {"a": torch.tensor([2.0, 2.0]), "b": torch.tensor([1.0, -1.0])}
    got = {"a": torch.tensor([2.0, 2.2]), "b": torch.tensor([1.3, -1.0])}
    found = differences(got, wanted)
    assert found["max_error"] == pytest.approx(0.3)
    assert found["max_error_of_rms"] == pytest.approx(0.3)
    assert found["rms_error_of_rms"] == pytest.approx(0.3 / 2**0.5)


@pytest.mark.slow
def test_an_operator_that_core_ai_lacks_is_a_readable_error(tmp_path, monkeypatch):
    from latency_db.packages import coreai_runtime
    from latency_db.packages.part_module import PartModule, part_inputs
    from latency_db.packages.weights import fill

    def refuse(*_, **__):
        raise ValueError("unsupported op aten.foo\nand more")

    part = whole(tiny())
    module = fill(PartModule(part, "tokens"), part.network, InitialWeights(0))
    monkeypatch.setattr(coreai.TorchConverter, "add_exported_program", refuse)
    with pytest.raises(
        WalkbenchError, match=r"cannot convert the network: unsupported op aten\.foo"
    ):
        inputs = part_inputs(part, 1, "tokens")
        coreai_runtime.save(module, inputs, part.outputs, tmp_path / "x.aimodel")
