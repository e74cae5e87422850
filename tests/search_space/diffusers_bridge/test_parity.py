from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.cost import cost
from search_space.diffusers_bridge import config_from_spec, parameter_names, spec_from_config
from search_space.diffusers_bridge.stock import stock_unet
from search_space.presets import named_spec

EXACT = 1e-9
# diffusers computes the mean square of RMSNorm in float32, whatever the input: 24 bits of agreement
RMS_IN_FLOAT32 = 1e-5

PARAMS = {
    "sdxl": 2_567_463_684,
    "sd15": 859_520_964,
    "sd21": 865_910_724,
    "dreamlite": 389_968_388,
    "sd15_inpainting": 859_520_964 + 5 * 9 * 320,  # five more channels in
    "ssd1b": 1_331_334_404,
    "vega": 745_225_604,
    "koala700m": 782_822_724,
    "bksdm_tiny": 323_384_964,
    "sdxl_refiner": 2_259_526_660,
}
STOCK = sorted(set(PARAMS) - {"dreamlite"})


@pytest.mark.thinned
@pytest.mark.parametrize("name", PARAMS)
def test_published_config_has_the_parameters_of_the_published_network(name, published):
    config = published(name)
    spec = spec_from_config(config)
    with torch.device("meta"):
        stock = stock_unet(config)
    assert cost(spec).params == sum(p.numel() for p in stock.parameters()) == PARAMS[name]
    assert set(parameter_names(spec).values()) == set(stock.state_dict())


@pytest.mark.parametrize("name", ["sdxl", "sd15", "dreamlite"])
def test_published_config_is_the_named_spec(name, published):
    assert spec_from_config(published(name)) == named_spec(name)


def test_sd21_config_is_the_named_spec_at_its_own_latent_size(published):
    assert spec_from_config(published("sd21"), latent_size=64) == named_spec("sd21")


def test_refiner_has_five_size_numbers_beside_pooled_text_of_1280(published):
    conditions = spec_from_config(published("sdxl_refiner")).conditions
    assert (conditions.pooled_width, conditions.size_ids) == (1280, 5)


@pytest.mark.thinned
@pytest.mark.parametrize("name", STOCK)
def test_shrunk_network_gives_the_output_of_diffusers(name, shrunk, gap):
    assert gap(shrunk(name)) < EXACT


def test_shrunk_dreamlite_gives_the_output_of_diffusers(shrunk, gap):
    assert gap(shrunk("dreamlite")) < RMS_IN_FLOAT32
    exact = {"qk_norm": "layer_norm", "encoder_hid_dim_type": "text_proj"}
    assert gap({**shrunk("dreamlite"), **exact}) < EXACT


VARIANTS: dict[str, dict[str, Any]] = {
    "class table": {"num_class_embeds": 7},
    "projected text": {"encoder_hid_dim": 12, "encoder_hid_dim_type": "text_proj"},
    "projected text by width alone": {"encoder_hid_dim": 12},
    "wide time embedding": {"time_embedding_dim": 40},
    "gelu": {"act_fn": "GELU"},
    "linear projections": {"use_linear_projection": True},
    "heads that do not divide the channels": {"attention_head_dim": [3, 5, 7, 6]},
    "nine channels in, three out": {"in_channels": 9, "out_channels": 3},
    "sites by stage": {"layers_per_block": [1, 3, 2, 1]},
    "no attention in the middle": {"mid_block_type": "UNetMidBlock2D"},
    "no middle": {"mid_block_type": None},
    "coarse epsilon": {"norm_eps": 1e-3, "norm_num_groups": 4},
    "depths by stage": {"transformer_layers_per_block": [2, 1, 3, 2]},
    "no text at all": {
        "down_block_types": ["DownBlock2D"] * 4,
        "up_block_types": ["UpBlock2D"] * 4,
        "mid_block_type": "UNetMidBlock2D",
        "only_cross_attention": True,
    },
    "attention on the way down alone": {"up_block_types": ["UpBlock2D"] * 4},
    "fields that only other blocks read": {
        "upcast_attention": True,
        "resnet_skip_time_act": True,
        "resnet_out_scale_factor": 1.7,
        "mid_block_only_cross_attention": True,
        "cross_attention_norm": "layer_norm",
        "addition_embed_type_num_heads": 3,
    },
    "oldest block names": {
        "down_block_types": ["UNetResCrossAttnDownBlock2D"] * 3 + ["UNetResDownBlock2D"],
    },
}


@pytest.mark.thinned
@pytest.mark.parametrize("name", VARIANTS)
def test_sd15_with_other_fields_gives_the_output_of_diffusers(name, shrunk, gap):
    assert gap({**shrunk("sd15"), **VARIANTS[name]}) < EXACT


@pytest.mark.thinned
@pytest.mark.parametrize(
    "changes",
    [
        {"num_mid_layers": 0},
        {"mid_block_type": None, "use_sep_conv": False},
        {"num_kv_heads": None, "ff_mult": 6},
        {"num_kv_heads": 2, "ff_mult": 2.5},
        {"qk_norm": None, "addition_embed_type": None},
        {"num_class_embeds": 3, "layers_per_block": [1, 2, 1]},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_dreamlite_with_other_fields_gives_the_output_of_diffusers(changes, shrunk, gap):
    assert gap({**shrunk("dreamlite"), **changes}) < RMS_IN_FLOAT32


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """A small `UNet2DConditionModel` config of any shape that we say we can express."""
    n = draw(st.integers(1, 3))
    sites = draw(st.lists(st.integers(1, 2), min_size=n, max_size=n))
    down = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    up = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    depth = st.integers(1, 2)
    config = {
        "_class_name": "UNet2DConditionModel",
        "sample_size": 8,
        "in_channels": draw(st.sampled_from([4, 9])),
        "block_out_channels": [8 * draw(st.integers(1, 4)) for _ in range(n)],
        "layers_per_block": sites,
        "attention_head_dim": [draw(st.sampled_from([1, 2, 4])) for _ in range(n)],
        "down_block_types": ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in down],
        "up_block_types": ["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(up)],
        "mid_block_type": draw(
            st.sampled_from(["UNetMidBlock2DCrossAttn", "UNetMidBlock2D", None])
        ),
        "cross_attention_dim": 12,
        "norm_num_groups": draw(st.sampled_from([2, 4])),
        "act_fn": draw(st.sampled_from(["silu", "relu", "mish"])),
        "use_linear_projection": draw(st.booleans()),
        "num_class_embeds": draw(st.sampled_from([None, 3])),
        "time_embedding_dim": draw(st.sampled_from([None, 24])),
        "transformer_layers_per_block": draw(st.lists(depth, min_size=n, max_size=n)),
    }
    if draw(st.booleans()):
        config["transformer_layers_per_block"] = [[draw(depth) for _ in range(s)] for s in sites]
        config["reverse_transformer_layers_per_block"] = [
            [draw(depth) for _ in range(s + 1)] for s in reversed(sites)
        ]
    if config["act_fn"] == "silu" and draw(st.booleans()):
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 4,
            "projection_class_embeddings_input_dim": 30,
        }
    return config


@pytest.mark.slow
@settings(max_examples=15)
@given(config=configs())
def test_any_config_gives_the_output_of_diffusers_and_comes_back_as_itself(config, gap):
    spec = spec_from_config(config, tokens=5)
    assert gap(config, spec) < EXACT
    _, written = config_from_spec(spec)
    assert spec_from_config(written, tokens=5) == spec
    assert gap(written, spec) < EXACT
