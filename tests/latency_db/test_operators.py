"""What conversion leaves of a trace, against closed forms."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from latency_db.evidence import published_evidence
from latency_db.operators import KINDS, operators, unknown_names
from search_space.cost import cost
from search_space.presets import named_spec
from search_space.trace import Op, trace


def traced(module: nn.Module, *shape: int):
    with torch.device("meta"):
        return trace(module.to("meta"), torch.zeros(*shape)).ops


def test_a_batch_norm_folds_into_its_convolution():
    plain = traced(nn.Sequential(nn.Conv2d(3, 8, 3)), 1, 3, 16, 16)
    normed = traced(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)), 1, 3, 16, 16)
    assert operators(normed) == operators(plain)


def test_equal_operators_are_counted_once():
    twice = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1))
    ((made, count),) = operators(traced(twice, 1, 8, 4, 4)).items()
    assert (made.kind, made.macs, made.weights, count) == ("matrix", 8 * 8 * 16, 72, 2)


class Attends(nn.Module):
    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x)


class AttendsInThreeOperators(nn.Module):
    """The same mathematics, spelled out, with a bias on the scores."""

    def __init__(self, scale_queries: bool):
        super().__init__()
        self.scale_queries = scale_queries

    def forward(self, x):
        scale = x.shape[-1] ** -0.5
        if self.scale_queries:
            scores = (x * scale) @ x.transpose(-2, -1)
        else:
            scores = (x @ x.transpose(-2, -1)) * scale + torch.zeros(x.shape[-2], x.shape[-2])
        return scores.softmax(-1) @ x


@pytest.mark.parametrize("scale_queries", [False, True])
def test_attention_is_one_operator_however_it_is_spelled(scale_queries):
    fused = operators(traced(Attends(), 2, 5, 49, 32))
    spelled = operators(traced(AttendsInThreeOperators(scale_queries), 2, 5, 49, 32))
    assert spelled == fused


def test_two_products_without_a_softmax_between_stay_two():
    class Products(nn.Module):
        def forward(self, x):
            return ((x @ x.transpose(-2, -1)) * 2) @ x

    kinds = [op.kind for op in operators(traced(Products(), 2, 5, 49, 32)).elements()]
    assert sorted(kinds) == ["elementwise", "linear", "linear"]


def test_attention_knows_its_maps_and_heads():
    (made,) = operators(traced(Attends(), 2, 5, 49, 32))
    assert (made.kind, made.maps, made.heads) == ("attention", 2 * 5 * 49 * 49, 10)


def test_a_look_up_reads_rows_not_the_table():
    with torch.device("meta"):
        ops = trace(nn.Embedding(1000, 16), torch.zeros(1, 7, dtype=torch.long)).ops
    (made,) = operators(ops)
    assert (made.kind, made.weights, made.moved) == ("join", 0, 2 * 7 * 16)


def test_an_operator_the_tracer_does_not_know_keeps_its_name_and_its_values():
    op = Op("other", "fft_c2c", 0, 0, 100, 200, (200,))
    assert unknown_names([op, op]) == ("fft_c2c",)
    ((made, count),) = operators([op, op]).items()
    assert (made.kind, made.moved, count) == ("unknown", 300, 2)


def test_no_published_network_has_an_unknown_operator():
    for ops in published_evidence().networks.values():
        assert all(op.kind in KINDS and op.kind != "unknown" for op in ops)


@pytest.mark.parametrize("name", ["snapgen-t2i", "M/mqa", "F/thin"])
def test_the_committed_features_are_those_of_todays_specs(name):
    ops = published_evidence().networks[f"spec:{name}@128x1"]
    priced = cost(named_spec(name))
    assert sum(op.macs * n for op, n in ops.items()) == priced.macs
    weights = sum(op.weights * n for op, n in ops.items())
    assert weights == priced.params  # every parameter is read once
