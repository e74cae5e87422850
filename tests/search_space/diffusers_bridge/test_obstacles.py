"""Specs one or two edits away from what diffusers builds: a wrong claim to build one shows here."""

import dataclasses

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.diffusers_bridge import config_from_spec, parameter_names, spec_from_config
from search_space.diffusers_bridge.stock import stock_unet
from search_space.errors import WalkbenchError
from search_space.spec import Conditions, Context, Conv, Mid, Path, Site, UNetSpec
from search_space.unet import UNet

BASE = {
    "block_out_channels": [16, 32],
    "attention_head_dim": [2, 4],
    "cross_attention_dim": 12,
    "norm_num_groups": 4,
    "sample_size": 8,
}
STOCK = {
    **BASE,
    "_class_name": "UNet2DConditionModel",
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
}
DREAMLITE = {
    **BASE,
    "_class_name": "DreamLiteUNetModel",
    "down_block_types": ["DreamLiteCrossAttnNoSelfAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
}

CHANGES = {
    "sampler": ["separable", "none"],
    "qk_norm": ["none", "rms", "layer"],
    "rope": [True],
    "without_self_attention": ["skip", "norm"],
    "activation": ["gelu", "hardswish"],
    "time_width": [24],
    "in_channels": [9],
    "context": [Context(12, 5, "linear", 8), Context(12, 5, "linear_rms", 8)],
    "conditions": [
        Conditions(10, 2, 4),
        Conditions(10, 0, 4),
        Conditions(0, 2, 4),
        Conditions(classes=3),
    ],
    "mid": [
        None,
        Mid(0, 1),
        Mid(0, 2),
        Mid(1, 2, True, True),
        Mid(2, 2, True, True),
        Mid(1, 2, True, False),
        Mid(1, 1, True, True),
    ],
}
STAGE_CHANGES = {
    "kv_heads": [1, 2],
    "ff_ratio": [3.0, 2.5],
    "head_dim": [4],
    "conv": [Conv(), Conv("separable", 2.0), Conv("dense", 2.0), Conv("dense", 1.0, "max")],
}


@st.composite
def paths(draw: st.DrawFn) -> Path:
    depths = draw(st.lists(st.integers(0, 2), min_size=2, max_size=3))
    sites = tuple(Site(d, resblock=d == 0 or draw(st.integers(0, 4)) > 0) for d in depths)
    has = any(depths)
    return Path(sites, has and draw(st.booleans()), has and draw(st.integers(0, 3)) > 0)


@st.composite
def neighbours(draw: st.DrawFn) -> UNetSpec | None:
    """An expressible spec after one or two edits; None where the rules of a spec forbid them."""
    spec = spec_from_config(draw(st.sampled_from([STOCK, DREAMLITE])), tokens=5)
    try:
        for _ in range(draw(st.integers(1, 2))):
            spec = edit(draw, spec)
    except WalkbenchError:
        return None
    return spec


def edit(draw: st.DrawFn, spec: UNetSpec) -> UNetSpec:
    name = draw(st.sampled_from([*CHANGES, *STAGE_CHANGES, "down", "up"]))
    if name in CHANGES:
        return spec.replace(**{name: draw(st.sampled_from(CHANGES[name]))})
    change = draw(paths() if name in ("down", "up") else st.sampled_from(STAGE_CHANGES[name]))
    which = draw(st.sampled_from([(0,), (1,), (0, 1)]))
    stages = [
        dataclasses.replace(stage, **{name: change}) if i in which else stage
        for i, stage in enumerate(spec.stages)
    ]
    return spec.replace(stages=tuple(stages))


@settings(max_examples=60)
@given(spec=neighbours())
def test_diffusers_builds_the_same_parameters_wherever_nothing_is_said_to_be_in_the_way(spec):
    if spec is None:
        return
    try:
        _, config = config_from_spec(spec)
    except WalkbenchError:
        return
    with torch.device("meta"):
        theirs, ours = stock_unet(config).state_dict(), UNet(spec).state_dict()
    names = parameter_names(spec)
    assert {names[name]: p.shape for name, p in ours.items()} == {
        name: p.shape for name, p in theirs.items()
    }


@settings(max_examples=10)
@given(spec=neighbours())
def test_a_network_that_diffusers_is_said_to_build_gives_the_same_output_there(spec, gap):
    if spec is None:
        return
    try:
        _, config = config_from_spec(spec)
    except WalkbenchError:
        return
    assert gap(config, spec) < 1e-5
