"""Costs are exact: against torch's own counter, a trace of the whole network, and formulas."""

from functools import lru_cache

import pytest
import torch
from hypothesis import given, settings
from torch.utils.flop_counter import FlopCounterMode

from search_space.cost import BYTES_PER_VALUE, block_cost, cost
from search_space.modules.network import example_inputs
from search_space.plan import plan
from search_space.presets import all_named, named_spec
from search_space.spec import UNetSpec
from search_space.trace import trace
from search_space.unet import UNet
from tests.search_space.closed_form import count, count_spec
from tests.search_space.strategies import specs

# Walk steps without separable or expanded blocks are the same in both families.
NAMES = sorted({spec: name for name, spec in all_named().items()}.values())


@lru_cache(maxsize=1)
def on_meta(spec: UNetSpec) -> UNet:
    """The module of ``spec``; tests of one spec follow one another and share it."""
    with torch.device("meta"):
        return UNet(spec)


def inputs(spec: UNetSpec) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return example_inputs(spec)


def parameters(unet: UNet) -> int:
    return sum(p.numel() for p in unet.parameters())


@pytest.mark.thinned
@pytest.mark.parametrize("name", NAMES)
def test_macs_equal_torchs_flop_counter_to_the_last_unit(name: str) -> None:
    spec = named_spec(name)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        on_meta(spec)(**inputs(spec))
    assert 2 * cost(spec).macs == counter.get_total_flops()


@pytest.mark.thinned
@pytest.mark.parametrize("name", NAMES)
def test_the_sum_of_blocks_equals_a_trace_of_the_whole_network(name: str) -> None:
    spec = named_spec(name)
    unet = on_meta(spec)
    traced = trace(unet, **inputs(spec))
    got = cost(spec)
    assert got.params == parameters(unet)
    assert got.macs == traced.macs
    assert got.weight_bytes == BYTES_PER_VALUE * got.params
    assert got.peak_activation_bytes == BYTES_PER_VALUE * traced.peak_values
    # Blocks are traced with contiguous inputs. In the network a stack leaves its map transposed,
    # and eager torch then copies it where the next norm wants it contiguous.
    assert got.activation_bytes == pytest.approx(BYTES_PER_VALUE * traced.moved_values, rel=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_closed_formulas_agree_for_every_block_of_every_named_spec(name: str) -> None:
    for block in {block for block, _ in plan(named_spec(name)).blocks()}:
        got = block_cost(block)
        assert (got.params, got.macs) == count(block), block.key


@given(specs())
@settings(max_examples=25)
def test_any_valid_spec_costs_what_its_whole_network_costs(spec: UNetSpec) -> None:
    unet = on_meta(spec)
    traced = trace(unet, **inputs(spec))
    got = cost(spec)
    assert (got.params, got.macs) == (parameters(unet), traced.macs) == count_spec(spec)
    assert got.peak_activation_bytes == BYTES_PER_VALUE * traced.peak_values


def test_peak_holds_the_skips_and_not_only_the_largest_block() -> None:
    spec = named_spec("sdxl")
    blocks = {block for block, _ in plan(spec).blocks()}
    largest = max(block_cost(block).peak_values for block in blocks)
    assert cost(spec).peak_activation_bytes > BYTES_PER_VALUE * largest


def test_cost_scales_with_latent_size_but_params_do_not() -> None:
    spec = named_spec("snapgen-t2i")
    small, large = cost(spec.replace(latent_size=32)), cost(spec)
    assert small.params == large.params
    assert 37e9 < small.macs < 39e9  # the facts say about 38 GMAC at 32×32
    assert small.peak_activation_bytes < large.peak_activation_bytes / 10
