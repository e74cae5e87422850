"""The two diffusers classes we convert, as data: their fields, defaults, and what we can express.

Facts of diffusers 0.42.1, kept here so that reading a config needs no diffusers; a test compares
them with the signatures of the installed one. What fixes a topology (block types, widths, depths)
is read by :mod:`search_space.diffusers_bridge.from_config`; the fields in :data:`FIXED` must have
one value, because a spec has no word for the others, and those in :data:`INERT` change nothing in
the blocks we convert.

>>> CLASSES["DreamLiteUNetModel"].defaults["num_kv_heads"]
1
>>> CLASSES["UNet2DConditionModel"].down["DownBlock2D"] is None
True
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search_space.spec import Activation, QKNorm

DIFFUSERS_VERSION = "0.42.1"

STOCK = "UNet2DConditionModel"
DREAMLITE = "DreamLiteUNetModel"


@dataclass(frozen=True)
class Attends:
    """What the transformer layers of a block type attend to; block types without layers: None."""

    self_attention: bool = True
    cross_attention: bool = True


@dataclass(frozen=True)
class StockClass:
    """One diffusers class: its defaults and the block types that a spec can say.

    The first name of each kind of block is the one we write.
    """

    name: str
    defaults: Mapping[str, Any]
    down: Mapping[str, Attends | None]
    up: Mapping[str, Attends | None]
    mid: Mapping[str, Attends | None]


_DEFAULTS: dict[str, Any] = {
    "sample_size": None,
    "in_channels": 4,
    "out_channels": 4,
    "center_input_sample": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "only_cross_attention": False,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "dropout": 0.0,
    "act_fn": "silu",
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "cross_attention_dim": 1280,
    "transformer_layers_per_block": 1,
    "reverse_transformer_layers_per_block": None,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "attention_head_dim": 8,
    "num_attention_heads": None,
    "dual_cross_attention": False,
    "use_linear_projection": False,
    "class_embed_type": None,
    "addition_embed_type": None,
    "addition_time_embed_dim": None,
    "num_class_embeds": None,
    "upcast_attention": False,
    "resnet_time_scale_shift": "default",
    "resnet_skip_time_act": False,
    "resnet_out_scale_factor": 1.0,
    "time_embedding_type": "positional",
    "time_embedding_dim": None,
    "time_embedding_act_fn": None,
    "timestep_post_act": None,
    "time_cond_proj_dim": None,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "projection_class_embeddings_input_dim": None,
    "attention_type": "default",
    "class_embeddings_concat": False,
    "mid_block_only_cross_attention": None,
    "cross_attention_norm": None,
    "addition_embed_type_num_heads": 64,
}

_CROSS_ONLY = Attends(self_attention=False)

CLASSES: dict[str, StockClass] = {
    STOCK: StockClass(
        STOCK,
        _DEFAULTS,
        down={"CrossAttnDownBlock2D": Attends(), "DownBlock2D": None},
        up={"CrossAttnUpBlock2D": Attends(), "UpBlock2D": None},
        mid={"UNetMidBlock2DCrossAttn": Attends(), "UNetMidBlock2D": None},
    ),
    DREAMLITE: StockClass(
        DREAMLITE,
        {
            **_DEFAULTS,
            "down_block_types": ("DreamLiteCrossAttnNoSelfAttnDownBlock2D",) * 2
            + ("DreamLiteCrossAttnDownBlock2D",),
            "mid_block_type": "DreamLiteUNetMidBlock2DCrossAttn",
            "up_block_types": (
                "DreamLiteCrossAttnUpBlock2D",
                "DreamLiteCrossAttnNoSelfAttnUpBlock2D",
                "DreamLiteUpBlock2D",
            ),
            "block_out_channels": (320, 640, 1280),
            "cross_attention_dim": 2048,
            "attention_head_dim": 64,
            "qk_norm": "rms_norm",
            "use_sep_conv": True,
            "ff_mult": 6,
            "num_kv_heads": 1,
            "num_mid_layers": 1,
        },
        down={
            "DreamLiteCrossAttnDownBlock2D": Attends(),
            "DreamLiteCrossAttnNoSelfAttnDownBlock2D": _CROSS_ONLY,
            "DreamLiteDownBlock2D": None,
            "CrossAttnDownBlock2D": Attends(),
            "CrossAttnDownRemoveSelfAttnBlock2D": _CROSS_ONLY,
            "DownBlock2D": None,
        },
        up={
            "DreamLiteCrossAttnUpBlock2D": Attends(),
            "DreamLiteCrossAttnNoSelfAttnUpBlock2D": _CROSS_ONLY,
            "DreamLiteUpBlock2D": None,
            "CrossAttnUpBlock2D": Attends(),
            "CrossAttnUpRemoveSelfAttnBlock2D": _CROSS_ONLY,
            "CrossAttnUpRemoveSelfAttnBlock2DV1": _CROSS_ONLY,
            "UpBlock2D": None,
        },
        mid={
            "DreamLiteUNetMidBlock2DCrossAttn": Attends(),
            "UNetMidBlock2DCrossAttn": Attends(),
        },
    ),
}

# Fields with one expressible value; freq_shift and flip_sin_to_cos: the sinusoid has cosines first.
FIXED: dict[str, Any] = {
    name: _DEFAULTS[name]
    for name in (
        "center_input_sample",
        "flip_sin_to_cos",
        "freq_shift",
        "downsample_padding",
        "mid_block_scale_factor",
        "dropout",
        "dual_cross_attention",
        "num_attention_heads",
        "class_embed_type",
        "resnet_time_scale_shift",
        "time_embedding_type",
        "time_embedding_act_fn",
        "timestep_post_act",
        "time_cond_proj_dim",
        "conv_in_kernel",
        "conv_out_kernel",
        "attention_type",
        "class_embeddings_concat",
    )
}

# Read by other block types only, or (upcast_attention) by attention in half precision without SDPA.
INERT = (
    "upcast_attention",
    "resnet_skip_time_act",
    "resnet_out_scale_factor",
    "mid_block_only_cross_attention",
    "cross_attention_norm",
    "addition_embed_type_num_heads",
)

ACTIVATIONS: dict[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "mish": "mish",
    "gelu": "gelu",
    "relu": "relu",
}

QK_NORMS: dict[str | None, QKNorm] = {None: "none", "rms_norm": "rms", "layer_norm": "layer"}
