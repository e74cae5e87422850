"""The tracer sees every operator once, sorts it, and counts what it moves."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space.errors import WalkbenchError
from search_space.modules import block_inputs, build
from search_space.plan import plan
from search_space.presets import all_named
from search_space.trace import Trace, trace


def traced(module: nn.Module, *inputs: Tensor) -> Trace:
    return trace(module.to("meta"), *(t.to("meta") for t in inputs))


@pytest.mark.parametrize(
    ("module", "kind", "macs"),
    [
        (nn.Conv2d(4, 6, 3, padding=1), "conv", 4 * 6 * 9 * 64),
        (nn.Conv2d(4, 6, 1), "pointwise", 4 * 6 * 64),
        (nn.Conv2d(4, 4, 3, padding=1, groups=4), "depthwise", 4 * 9 * 64),
        (nn.Conv2d(4, 6, 3, padding=1, groups=2), "grouped", 2 * 6 * 9 * 64),
        (nn.Conv2d(4, 6, 3, stride=2, padding=1), "conv", 4 * 6 * 9 * 16),
        (nn.Linear(8, 5), "linear", 4 * 8 * 8 * 5),
        (nn.GroupNorm(2, 4), "norm", 0),
        (nn.SiLU(), "elementwise", 0),
        (nn.AvgPool2d(2), "pool", 0),
        (nn.Upsample(scale_factor=2), "resize", 0),
        (nn.RMSNorm(8), "norm", 0),
        (nn.Softmax(-1), "softmax", 0),
    ],
)
def test_each_kind_of_operator_is_named_and_counted(
    module: nn.Module, kind: str, macs: int
) -> None:
    ops = traced(module, torch.zeros(1, 4, 8, 8)).ops
    assert [op.kind for op in ops] == [kind]
    assert ops[0].macs == macs
    assert ops[0].weight_values == sum(p.numel() for p in module.parameters())
    assert ops[0].read_values == 256


class Attend(nn.Module):
    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        k, v = k.expand(-1, q.shape[1], -1, -1), v.expand(-1, q.shape[1], -1, -1)
        return F.scaled_dot_product_attention(q, k, v)


def test_attention_is_one_operator_that_reads_a_shared_head_once() -> None:
    q, kv = torch.zeros(1, 4, 10, 8), torch.zeros(1, 1, 6, 8)
    (op,) = traced(Attend(), q, kv, kv).ops
    assert op.kind == "attention"
    assert op.macs == 2 * 4 * 10 * 6 * 8
    assert (op.read_values, op.write_values) == (4 * 10 * 8 + 2 * 6 * 8, 4 * 10 * 8)


class Two(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        kept = x + 1
        return kept + (kept * 2).exp().sum()


def test_peak_counts_what_is_alive_and_forgets_what_is_not() -> None:
    # x, kept, kept·2 and its exponential; the sum and the result come after the product is gone
    assert traced(Two(), torch.zeros(100)).peak_values == 400


def test_inputs_that_share_memory_count_once() -> None:
    class Add(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a + b

    with torch.device("meta"):
        x = torch.zeros(50)
        assert trace(Add(), x, x).peak_values == 100


def test_no_operator_of_any_named_spec_is_unknown() -> None:
    blocks = {block for spec in all_named().values() for block, _ in plan(spec).blocks()}
    for block in blocks:
        with torch.device("meta"):
            ops = trace(build(block), **block_inputs(block)).ops
        assert not [op.name for op in ops if op.kind == "other"], block.key


def test_an_unknown_operator_is_reported_as_other_and_not_dropped() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.fft(x).real

    ops = traced(Odd(), torch.zeros(8)).ops
    assert "other" in {op.kind for op in ops}


def test_modes_of_parts_are_left_as_they_were() -> None:
    net = nn.Sequential(nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 4, 1)).train()
    net[0].eval()
    traced(net, torch.zeros(1, 4, 8, 8))
    assert [part.training for part in (net, *net)] == [True, False, True, True]


def test_a_module_with_real_weights_is_refused() -> None:
    with pytest.raises(WalkbenchError, match=r"needs meta tensors, got one on cpu; build"):
        trace(nn.Linear(4, 4), torch.zeros(1, 4, device="meta"))


def test_a_module_that_looks_at_values_is_refused_with_the_reason() -> None:
    class Looks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(
        WalkbenchError, match=r"Looks cannot be traced on meta: .*; shapes must not"
    ):
        traced(Looks(), torch.zeros(4))


class Products(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(8, 5))

    def forward(self, x):
        return (x @ x.transpose(-2, -1), torch.matmul(x, self.weight))


def test_a_product_is_one_operator_whatever_the_layout_of_its_operands():
    with torch.device("meta"):
        traced = trace(Products(), torch.zeros(2, 3, 7, 8).transpose(0, 1))
    found = [(op.kind, op.macs, op.weight_values) for op in traced.ops]
    assert found == [("matmul", 6 * 7 * 7 * 8, 0), ("linear", 6 * 7 * 8 * 5, 40)]


class Multiply(nn.Module):
    def forward(self, a, b):
        return a @ b


@pytest.mark.parametrize(
    ("a", "b"), [((7,), (7,)), ((5, 7), (7,)), ((7,), (3, 7, 2)), ((4, 1, 5, 7), (3, 7, 2))]
)
def test_a_product_broadcasts_as_torch_does(a, b):
    expected = (torch.zeros(a) @ torch.zeros(b)).shape
    with torch.device("meta"):
        (op,) = trace(Multiply(), torch.zeros(a), torch.zeros(b)).ops
    assert (op.shape, op.macs) == (tuple(expected), expected.numel() * 7)
