"""A new kind of 3×3 convolution is one function and one entry of the registry.

Specs, JSON, plans, modules, costs, block keys, search axes and twins take it from there.
"""

import random
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from proxies.twin import twin
from search_space.blocks import Resample, ResBlock, parse_key
from search_space.conv import CONV_KINDS, Conv, ConvKind, register_conv
from search_space.cost import cost
from search_space.errors import SpecError
from search_space.presets import named_spec
from search_space.sample import RandomValues
from search_space.space import FixedValues, SearchSpace
from search_space.spec import UNetSpec
from search_space.unet import UNet

SPACE = """
name = "factored"
base = "F/thin"
[axes]
sampler = ["dense", "factored"]
conv = ["dense", "factored", "separable"]
biases = ["none", "depthwise"]
"""


def factored(in_channels: int, out_channels: int, conv: Conv, stride: int) -> nn.Module:
    """A 3×1 after a 1×3, the first with a bias if ``depthwise_bias`` says so."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, (1, 3), (1, stride), (0, 1), bias=conv.depthwise_bias),
        nn.Conv2d(out_channels, out_channels, (3, 1), (stride, 1), (1, 0)),
    )


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register_conv(ConvKind("factored", factored, frozenset({"depthwise_bias"})))
    yield
    del CONV_KINDS["factored"]


def with_factored(spec: UNetSpec) -> UNetSpec:
    data = spec.to_dict()
    for stage in data["stages"]:
        stage["conv"] |= {"kind": "factored"}
    return UNetSpec.from_dict({**data, "sampler": "factored"})


def test_a_spec_with_it_survives_json_and_costs_what_its_convs_cost() -> None:
    dense = named_spec("sd15")
    spec = with_factored(dense)
    assert UNetSpec.from_json(spec.to_json()) == spec != dense
    blocks = [step.block for _, step in spec.plan().steps()]
    assert any(isinstance(b, Resample) and b.conv == Conv("factored") for b in blocks)
    saved = 0  # a resblock's dense convs have 9 weights per pair of channels and a bias
    for block in blocks:
        assert parse_key(block.key) == block
        if isinstance(block, ResBlock):
            pairs = [(block.in_channels + block.skip, block.hidden)]
            pairs += [(block.hidden, block.out_channels)]
        elif isinstance(block, Resample):
            pairs = [(block.channels, block.channels)]
        else:
            continue
        saved += sum(9 * a * b - 3 * a * b - 3 * b * b for a, b in pairs)
    assert cost(dense).params - cost(spec).params == saved


def test_a_network_with_it_runs_and_its_twin_too() -> None:
    small = twin(with_factored(named_spec("F/thin")), width=8, latent=8)
    unet = UNet(small).eval()
    assert isinstance(unet.get_submodule("down0.res0.conv1"), nn.Sequential)
    context = torch.zeros(1, small.context.tokens, small.context.given_width)
    assert unet(torch.zeros(1, 3, 8, 8), torch.zeros(1), context).shape == (1, 3, 8, 8)


def test_a_space_suggests_it_with_the_options_that_it_has() -> None:
    space, found, source = SearchSpace.from_toml(SPACE), set(), random.Random(0)
    for _ in range(60):
        trial = RandomValues(source)
        spec = space.suggest(trial)
        assert space.suggest(FixedValues(space.params_of(spec))) == spec
        found.add(spec)
    assert len(found) == space.size() == 2 * (1 + 2 + 2)


def test_an_option_it_has_not_is_refused() -> None:
    data = with_factored(named_spec("sd15")).to_dict()
    data["stages"][0]["conv"]["pointwise_bias"] = True
    with pytest.raises(SpecError, match=r"stages\[0\].conv is factored and has no pointwise bias"):
        UNetSpec.from_dict(data)
