import pytest
import torch
from safetensors.torch import load_file, save_file

from search_space.errors import WalkbenchError
from search_space.weight_file import file_bytes, read_weights, write_weights

TENSORS = {
    "b.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "a": torch.tensor([0.5]),
    "conv": torch.randn(2, 1, 3, 3),
}
SHAPES = {name: tuple(tensor.shape) for name, tensor in TENSORS.items()}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_the_library_reads_what_we_write_to_the_last_bit(dtype, tmp_path):
    path = tmp_path / "ours.safetensors"
    write_weights(path, SHAPES, TENSORS.items(), dtype)
    read = load_file(path)
    assert set(read) == set(TENSORS)
    assert all(torch.equal(read[name], TENSORS[name].to(dtype)) for name in TENSORS)
    assert file_bytes(SHAPES.values(), dtype) == sum(t.nbytes for t in read.values())


def test_we_read_what_the_library_writes(tmp_path):
    save_file(TENSORS, tmp_path / "theirs.safetensors")
    read = read_weights(tmp_path / "theirs.safetensors")
    assert all(torch.equal(read[name], TENSORS[name]) for name in TENSORS)


def test_weights_that_are_not_contiguous_are_written_in_order(tmp_path):
    turned = TENSORS["b.weight"].t()
    write_weights(tmp_path / "t", {"t": (3, 2)}, [("t", turned)], torch.float32)
    assert torch.equal(read_weights(tmp_path / "t")["t"], turned)


@pytest.mark.parametrize("tensors", [[("a", torch.zeros(2))], [("b", torch.zeros(1))], []])
def test_a_tensor_that_was_not_announced_is_refused(tensors, tmp_path):
    with pytest.raises(ValueError, match="announced"):
        write_weights(tmp_path / "x", {"a": (1,)}, tensors, torch.float32)


def test_missing_and_damaged_files_are_refused_in_one_line(tmp_path):
    with pytest.raises(WalkbenchError, match="cannot be read: No such file"):
        read_weights(tmp_path / "nowhere")
    path = tmp_path / "cut"
    write_weights(path, SHAPES, TENSORS.items(), torch.float32)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(WalkbenchError, match="cannot be read"):
        read_weights(path)
