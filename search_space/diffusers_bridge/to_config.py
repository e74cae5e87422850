"""`config_from_spec(spec)`: the diffusers class and config that build the same network.

`UNet2DConditionModel` where it can, otherwise `DreamLiteUNetModel`, otherwise a
:class:`WalkbenchError` that lists what stands in the way of each. diffusers ties things together
that a spec keeps apart: one attention for both paths' sites, one convolution kind, head widths that
fill the channels, one more site up than down.

>>> from search_space.presets import named_spec
>>> name, config = config_from_spec(named_spec("sdxl"))
>>> name, config["attention_head_dim"], config["transformer_layers_per_block"]
('UNet2DConditionModel', [5, 10, 20], [1, 2, 10])
>>> config_from_spec(named_spec("F/mqa"))
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: no stock diffusers class builds this network.
UNet2DConditionModel: stages[1].down has no self-attention; ...
"""

from collections.abc import Mapping
from typing import Any

from search_space.diffusers_bridge.classes import (
    ACTIVATIONS,
    CLASSES,
    DIFFUSERS_VERSION,
    DREAMLITE,
    QK_NORMS,
    Attends,
    StockClass,
)
from search_space.diffusers_bridge.obstacles import obstacles
from search_space.errors import WalkbenchError
from search_space.spec import Path, UNetSpec


def config_from_spec(
    spec: UNetSpec, *, use_linear_projection: bool = True
) -> tuple[str, dict[str, Any]]:
    """Return the name of a stock class and the config with which it builds ``spec``.

    ``use_linear_projection`` false writes the projections of transformer stacks as 1×1
    convolutions, as SD 1.5 does: the same network, other weight shapes. Raises
    :class:`WalkbenchError` listing what neither class can say.
    """
    against = {name: obstacles(spec, name) for name in CLASSES}
    name = next((name for name, found in against.items() if not found), None)
    if name is None:
        reasons = ". ".join(f"{name}: {'; '.join(found)}" for name, found in against.items())
        raise WalkbenchError(f"no stock diffusers class builds this network. {reasons}")
    return name, _config(spec, CLASSES[name], use_linear_projection)


def _config(spec: UNetSpec, stock: StockClass, use_linear_projection: bool) -> dict[str, Any]:
    stages, context = spec.stages, spec.context
    config: dict[str, Any] = {
        "_class_name": stock.name,
        "_diffusers_version": DIFFUSERS_VERSION,
        "sample_size": spec.latent_size,
        "in_channels": spec.in_channels,
        "out_channels": spec.out_channels,
        "block_out_channels": [stage.channels for stage in stages],
        "layers_per_block": [len(stage.down.sites) for stage in stages],
        "down_block_types": [_kind(stage.down, stock.down) for stage in stages],
        "up_block_types": [_kind(stage.up, stock.up) for stage in reversed(stages)],
        "attention_head_dim": [stage.heads for stage in stages],  # it means heads
        "cross_attention_dim": context.width,
        "use_linear_projection": use_linear_projection,
        "act_fn": next(name for name, act in ACTIVATIONS.items() if act == spec.activation),
        "norm_num_groups": spec.norm_groups,
        "norm_eps": spec.norm_eps,
        "time_embedding_dim": spec.time_width,
        "num_class_embeds": spec.conditions.classes or None,
        **_mid(spec, stock),
        **_depths(spec),
        **added_fields(spec),
    }
    if context.projection != "none":
        kinds = {"linear": "text_proj", "linear_rms": "text_proj_rms"}
        config["encoder_hid_dim_type"] = kinds[context.projection]
        config["encoder_hid_dim"] = context.input_width
    if stock.name == DREAMLITE:
        config |= _dreamlite(spec)
    return config


def _kind(path: Path, table: Mapping[str, Attends | None]) -> str:
    """The first block type that attends as ``path`` does."""
    wanted = None
    if path.has_transformer:
        wanted = Attends(path.self_attention, path.cross_attention)
    return next(name for name, attends in table.items() if attends == wanted)


def _mid(spec: UNetSpec, stock: StockClass) -> dict[str, Any]:
    if spec.mid is None:
        return {"mid_block_type": None}
    attention = next(name for name, attends in stock.mid.items() if attends)
    if stock.name == DREAMLITE:
        return {"mid_block_type": attention, "num_mid_layers": 1 if spec.mid.depth else 0}
    return {"mid_block_type": attention if spec.mid.depth else "UNetMidBlock2D"}


def _depths(spec: UNetSpec) -> dict[str, Any]:
    """Layers per block: one number a stage where its sites agree, else one a site."""
    down = [_short([site.depth for site in stage.down.sites]) for stage in spec.stages]
    up = [_short([site.depth for site in stage.up.sites]) for stage in spec.stages]
    if spec.mid and spec.mid.depth and not spec.stages[-1].down.has_transformer:
        down[-1] = spec.mid.depth  # the mid block reads it, the last down block does not
    both = list(zip(down, up, strict=True))
    if not any(isinstance(d, list) or isinstance(u, list) or (d and u and d != u) for d, u in both):
        merged = [d or u or 1 for d, u in both]
        return {"transformer_layers_per_block": merged}
    return {
        "transformer_layers_per_block": [depth or 1 for depth in down],
        "reverse_transformer_layers_per_block": [depth or 1 for depth in reversed(up)],
    }


def _short(depths: list[int]) -> int | list[int]:
    return depths[0] if len(set(depths)) == 1 else depths


def added_fields(spec: UNetSpec) -> dict[str, Any]:
    """Return the fields of the added embedding, none where the design has none."""
    conditions = spec.conditions
    if not conditions.added_width:
        return {}
    return {
        "addition_embed_type": "text_time" if conditions.pooled_width else "time",
        "addition_time_embed_dim": conditions.size_width,
        "projection_class_embeddings_input_dim": conditions.added_width,
    }


def _dreamlite(spec: UNetSpec) -> dict[str, Any]:
    """The fields that this class has on top; in a network without transformers they say nothing."""
    attending = [s for i, s in enumerate(spec.stages) if spec.has_transformer(i)]
    first = attending[0] if attending else spec.stages[0]
    same = all(stage.kv_heads == stage.heads for stage in attending)
    ratio = first.ff_ratio
    return {
        "qk_norm": next(name for name, norm in QK_NORMS.items() if norm == spec.qk_norm),
        "use_sep_conv": first.conv.kind == "separable",
        "ff_mult": int(ratio) if ratio == int(ratio) else ratio,
        "num_kv_heads": None if same else first.kv_heads,
    }
