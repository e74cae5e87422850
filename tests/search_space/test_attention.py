"""Fewer key/value heads mean shared ones, and rotary positions mean what they should."""

import pytest
import torch

from search_space.attention import Attention, rope_table, rotate
from search_space.spec import QKNorm

HEADS, HEAD_DIM, SOURCE = 4, 8, 12
INNER = HEADS * HEAD_DIM


@pytest.mark.parametrize("kv_heads", [1, 2])
@pytest.mark.parametrize("norm", ["none", "rms", "layer"])
def test_grouped_heads_equal_full_heads_with_repeated_weights(kv_heads: int, norm: QKNorm) -> None:
    torch.manual_seed(0)
    few = Attention(INNER, SOURCE, HEADS, kv_heads, norm).double()
    full = Attention(INNER, SOURCE, HEADS, HEADS, norm).double()
    state = few.state_dict()
    for name in ("k.weight", "v.weight"):
        per_head = state[name].unflatten(0, (kv_heads, HEAD_DIM))
        state[name] = per_head.repeat_interleave(HEADS // kv_heads, dim=0).flatten(0, 1)
    full.load_state_dict(state)
    x, context = torch.randn(2, 9, INNER).double(), torch.randn(2, 5, SOURCE).double()
    torch.testing.assert_close(few(x, context), full(x, context))


def test_attention_is_softmax_of_scaled_products() -> None:
    torch.manual_seed(0)
    attention = Attention(INNER, INNER, 1, 1, "none").double()
    x = torch.randn(1, 6, INNER).double()
    q, k, v = attention.q(x), attention.k(x), attention.v(x)
    weights = torch.softmax(q @ k.transpose(1, 2) / INNER**0.5, dim=-1)
    torch.testing.assert_close(attention(x, None), attention.out(weights @ v))


def test_turning_keeps_lengths() -> None:
    x = torch.randn(1, 2, 12, HEAD_DIM, dtype=torch.float64)
    turned = rotate(x, rope_table(3, 4, HEAD_DIM, dtype=torch.float64))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(turned[:, :, 0], x[:, :, 0])  # position (0, 0) does not turn


def test_products_of_turned_vectors_depend_on_the_offset_alone() -> None:
    table = rope_table(6, 6, HEAD_DIM, dtype=torch.float64)
    q = torch.randn(HEAD_DIM, dtype=torch.float64).expand(1, 1, 36, HEAD_DIM)
    k = torch.randn(HEAD_DIM, dtype=torch.float64).expand(1, 1, 36, HEAD_DIM)
    products = (rotate(q, table) @ rotate(k, table).transpose(2, 3))[0, 0].reshape(6, 6, 6, 6)
    torch.testing.assert_close(products[0, 1, 2, 4], products[3, 2, 5, 5])  # offset (2, 3)
    torch.testing.assert_close(products[4, 4, 1, 4], products[3, 0, 0, 0])  # offset (-3, 0)
    assert (products[0, 0, 0, 1] - products[0, 0, 1, 0]).abs() > 1e-3  # rows are not columns


def test_text_keys_do_not_turn() -> None:
    torch.manual_seed(0)
    attention = Attention(INNER, SOURCE, HEADS, HEADS, "none").double()
    table = rope_table(3, 3, HEAD_DIM, dtype=torch.float64)
    x, context = torch.randn(1, 9, INNER).double(), torch.randn(1, 7, SOURCE).double()
    shuffled = context[:, torch.randperm(7)]
    torch.testing.assert_close(attention(x, context, table), attention(x, shuffled, table))


def test_half_precision_tables_tell_neighbours_apart() -> None:
    table = rope_table(1, 512, 64, dtype=torch.float16)
    exact = rope_table(1, 512, 64, dtype=torch.float64)
    assert (table.double() - exact).abs().max() < 1e-3
