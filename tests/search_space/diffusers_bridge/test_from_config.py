import inspect
import json

import pytest

from search_space.diffusers_bridge import spec_from_config
from search_space.diffusers_bridge.classes import CLASSES, FIXED, INERT, STOCK
from search_space.diffusers_bridge.stock import stock_class
from search_space.errors import WalkbenchError


@pytest.mark.parametrize("name", CLASSES)
def test_fields_and_defaults_are_those_of_the_installed_diffusers(name):
    parameters = inspect.signature(stock_class(name).__init__).parameters
    found = {k: p.default for k, p in parameters.items() if k not in ("self", "args", "kwargs")}
    assert CLASSES[name].defaults == found


def test_class_name_alone_builds_the_class_with_its_defaults():
    assert spec_from_config({"_class_name": STOCK}).context.width == 1280
    dreamlite = spec_from_config({"_class_name": "DreamLiteUNetModel", "attention_head_dim": 8})
    assert dreamlite.stages[2].ff_ratio == 6


def error_of(config, **arguments):
    with pytest.raises(WalkbenchError) as caught:
        spec_from_config(config, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


REFUSED = {
    "center_input_sample": True,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "downsample_padding": 0,
    "mid_block_scale_factor": 1.4,
    "dropout": 0.1,
    "dual_cross_attention": True,
    "num_attention_heads": 8,
    "class_embed_type": "projection",
    "resnet_time_scale_shift": "scale_shift",
    "time_embedding_type": "fourier",
    "time_embedding_act_fn": "silu",
    "timestep_post_act": "silu",
    "time_cond_proj_dim": 256,
    "conv_in_kernel": 5,
    "conv_out_kernel": 1,
    "attention_type": "gated",
    "class_embeddings_concat": True,
    "only_cross_attention": [True, False, False, False],
    "cross_attention_dim": [768, 768, 1024, 768],
    "act_fn": "celu",
    "norm_num_groups": None,
    "norm_eps": 0,
    "encoder_hid_dim_type": "text_image_proj",
    "addition_embed_type": "image",
    "sample_size": [64, 96],
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "down_block_types": ["SimpleCrossAttnDownBlock2D"] + ["CrossAttnDownBlock2D"] * 3,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "KUpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": [2, 2],
    "transformer_layers_per_block": [1, 0, 1, 1],
    "reverse_transformer_layers_per_block": [1, [1, 1], 1, 1],
    "attention_head_dim": "eight",
    "block_out_channels": [320, None, 1280, 1280],
    "in_channels": 4.0,
    "num_class_embeds": -1,
    "time_embedding_dim": True,
    "out_channels": 10**9,
    "number_of_experts": 4,
    "ff_mult": 4,
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_field_that_cannot_be_expressed_is_named_with_value_and_what_is_allowed(name):
    message = error_of({"_class_name": STOCK, name: REFUSED[name]})
    culprits = {"down_block_types": "SimpleCrossAttnDownBlock2D", "up_block_types": "KUpBlock2D"}
    shown = json.dumps(culprits.get(name, REFUSED[name]))
    assert f"{name} is {shown} (allowed: " in message
    assert message.count("(allowed: ") == 1  # no other field is blamed


def test_every_field_that_cannot_be_expressed_is_named_at_once():
    message = error_of({"_class_name": STOCK, **REFUSED})
    assert [name for name in REFUSED if f"{name} is " not in message] == []


def test_every_field_of_both_classes_is_read_or_known_to_change_nothing():
    """A refused value for each field but the inert ones: none is silently passed over."""
    nonsense = {"_nonsense": 0}
    for stock in CLASSES.values():
        base = {"_class_name": stock.name, "addition_embed_type": "text_time"}
        base |= {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 99}
        for name in set(stock.defaults) - set(INERT) - {"use_linear_projection"}:
            message = error_of({**base, name: nonsense})
            assert f"{name} is " in message


def test_fixed_and_inert_fields_do_not_overlap_and_exist():
    assert not set(FIXED) & set(INERT)
    assert set(FIXED) | set(INERT) <= set(CLASSES[STOCK].defaults)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "no _class_name"),
        ([], "JSON object"),
        ({"_class_name": "UNet2DModel"}, '"UNet2DModel"; UNet2DConditionModel or Dream'),
        ({"_class_name": ["UNet2DConditionModel"]}, "can be imported"),
        ({"_class_name": STOCK, "norm_num_groups": 48}, "norm_groups 48 does not divide"),
    ],
)
def test_what_is_no_config_of_ours_is_refused_in_one_line(config, said):
    assert said in error_of(config)


def test_depths_per_site_need_the_way_up_as_well():
    message = error_of({"_class_name": STOCK, "transformer_layers_per_block": [[1, 2], 1, 1, 1]})
    assert "reverse_transformer_layers_per_block is null" in message


def test_added_embedding_keeps_silu_in_diffusers_so_another_activation_is_refused():
    config = {
        "_class_name": STOCK,
        "act_fn": "gelu",
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 60,
    }
    assert "act_fn is " in error_of(config)


def test_size_ids_divide_the_added_embedding_as_asked():
    config = {
        "_class_name": STOCK,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 60,
    }
    assert spec_from_config(config).conditions.pooled_width == 12
    assert spec_from_config(config, size_ids=2).conditions.pooled_width == 44
    assert "fewer with size_ids" in error_of(config, size_ids=8)


def test_tokens_and_latent_size_are_arguments_because_a_config_may_not_have_them():
    spec = spec_from_config({"_class_name": STOCK}, tokens=128, latent_size=32)
    assert (spec.context.tokens, spec.latent_size) == (128, 32)
    assert spec_from_config({"_class_name": STOCK}).latent_size == 128
