"""The search axes of a UNet, one table row each.

The table drives sampling and its inverse, the size of a space, the validation of neutral values,
and the names in the dashboard's tables. A search does not change single sites: all sites of a path
are equal, heads fill the channels, and a time embedding as wide as the last stage stays so.

>>> from search_space.presets import named_spec
>>> spec = named_spec("F/mqa")
>>> UNET_FIELDS["kv_heads"].get(spec, 2), UNET_FIELDS["biases"].words
(1, 'conv biases')
"""

from collections.abc import Mapping
from typing import Any, get_args

from search_space.axis import AxisField, NotOneValue, Value
from search_space.axis_fields import mid_field, network_field
from search_space.blocks import Activation, QKNorm
from search_space.conditioning import Conditioning
from search_space.conv import CONV, CONV_KINDS, OPTIONS, SAMPLER, ConvBase
from search_space.parts import stage_attends
from search_space.unet_draft import common_site, new_mid, set_channels, set_conv, set_path

_BIASES = {  # what an axis calls (depthwise_bias, pointwise_bias)
    "none": (False, False),
    "depthwise": (True, False),
    "pointwise": (False, True),
    "both": (True, True),
}


def _set_mid(draft: Any, value: bool) -> None:
    draft.mid = (draft.mid or new_mid()) if value else None


def _mid_attention(name: str, words: str) -> AxisField:
    return mid_field(
        name,
        words,
        False,
        kind=bool,
        choices=_flags,
        active=lambda n: n.mid is not None and n.mid.depth > 0,
        complaint=lambda n: _attention_complaint(name.replace("_", ".", 1)),
    )


def _path_attends(network: Any, i: int, direction: str) -> bool:
    return bool(getattr(network.stages[i], direction).has_transformer)


def _attention(name: str, words: str) -> AxisField:
    """Self- or cross-attention of a path."""
    return AxisField(
        name,
        "path",
        words,
        lambda n, i, to: getattr(getattr(n.stages[i], to), name),
        lambda n, i, to, value: set_path(n, i, to, **{name: value}),
        kind=bool,
        choices=_flags,
        active=_path_attends,
        neutral=False,
        complaint=lambda n, i, to: _attention_complaint(f"stages[{i}].{to}.{name}"),
    )


def _attention_complaint(where: str) -> str:
    return f"{where} is set but no site has depth; set it to false or add depth"


def _conv(name: str, words: str, **more: Any) -> AxisField:
    """A field of a stage's convolutions; the axis ``conv`` is their kind."""
    own = "kind" if name == "conv" else name

    def get(network: Any, i: int) -> Value:
        value: Value = getattr(network.stages[i].conv, own)
        return value

    return AxisField(
        name, "stage", words, get, lambda n, i, value: set_conv(n, i, **{own: value}), **more
    )


def _biases(network: Any, i: int) -> Value:
    conv = network.stages[i].conv
    pair = (conv.depthwise_bias, conv.pointwise_bias)
    return next(name for name, known in _BIASES.items() if known == pair)


def _set_biases(draft: Any, i: int, value: str) -> None:
    set_conv(draft, i, **dict(zip(OPTIONS, _BIASES[value], strict=True)))


def _transformer_field(name: str, words: str, get: Any, write: Any, **more: Any) -> AxisField:
    """A field of a stage that only its transformers read."""

    def complaint(network: Any, i: int) -> str:
        stage = network.stages[i]
        neutral = {"kv_heads": stage.heads, "ff_ratio": 4.0}[name]
        return (
            f"stages[{i}].{name} is {getattr(stage, name)} but the stage has no transformer; "
            f"leave it at {neutral} or add depth"
        )

    return AxisField(
        name, "stage", words, get, write, active=stage_attends, complaint=complaint, **more
    )


def _kv_heads(network: Any, i: int) -> Value:
    stage = network.stages[i]
    return "all" if stage.kv_heads == stage.heads else int(stage.kv_heads)


def _set_kv_heads(draft: Any, i: int, value: Value) -> None:
    stage = draft.stages[i]
    stage.kv_heads = stage.heads if value == "all" else value


def _set_ff_ratio(draft: Any, i: int, value: float) -> None:
    draft.stages[i].ff_ratio = value


def _sites(network: Any, i: int, direction: str) -> Value:
    common_site(network, i, direction)
    return len(getattr(network.stages[i], direction).sites)


def _sites_of_both(network: Any, i: int) -> Value:
    down, up = int(_sites(network, i, "down")), int(_sites(network, i, "up"))
    if up != down + 1:
        raise NotOneValue(
            f"sites means one more site up than down; stage {i} has {down} and {up}; "
            f"use the axes sites.{i}.down and sites.{i}.up"
        )
    return down


def _set_sites_of_both(draft: Any, i: int, value: int) -> None:
    """One site more on the way up, for the skip from where the stage began."""
    set_path(draft, i, "down", sites=value)
    set_path(draft, i, "up", sites=value + 1)


def conditioning_field(named: Mapping[str, Conditioning]) -> AxisField:
    """Return the field that chooses what the text encoder gives, by name."""

    def get(network: Any) -> Value:
        given = Conditioning(network.context, network.conditions)
        for name, known in named.items():
            if known == given:
                return name
        raise NotOneValue(
            f"its conditioning (text of width {given.context.width}) is none of {', '.join(named)}"
        )

    def write(draft: Any, value: Value) -> None:
        chosen = named[str(value)]
        draft.context, draft.conditions = chosen.context, chosen.conditions

    return AxisField(
        "conditioning", "network", "conditioning", get, write, choices=lambda: tuple(named)
    )


def _flags() -> tuple[Value, ...]:
    return (False, True)


def _names(literal: Any) -> Any:
    return lambda: get_args(literal)


# In the order in which a search decides them: what switches others on comes first.
_ROWS = (
    network_field("sampler", "samplers", choices=lambda: SAMPLER.names),
    network_field("qk_norm", "QK norm", choices=_names(QKNorm)),
    network_field("rope", "RoPE", kind=bool, choices=_flags),
    network_field("activation", "activation", choices=_names(Activation)),
    AxisField(
        "mid",
        "network",
        "mid",
        lambda n: n.mid is not None,
        _set_mid,
        kind=bool,
        choices=_flags,
        switch=bool,
    ),
    mid_field(
        "mid_depth",
        "layers in the mid",
        0,
        kind=int,
        minimum=0,
        active=lambda n: n.mid is not None,
        switch=bool,
    ),
    mid_field(
        "mid_resblocks",
        "resblocks in the mid",
        0,
        kind=int,
        minimum=0,
        active=lambda n: n.mid is not None,
    ),
    _mid_attention("mid_self_attention", "self-attention in the mid"),
    _mid_attention("mid_cross_attention", "cross-attention in the mid"),
    AxisField(
        "channels", "stage", "channels", lambda n, i: n.stages[i].channels, set_channels, kind=int
    ),
    AxisField(
        "sites",
        "path",
        "sites",
        _sites,
        lambda n, i, to, value: set_path(n, i, to, sites=value),
        kind=int,
        stage_form=AxisField(
            "sites", "stage", "sites", _sites_of_both, _set_sites_of_both, kind=int
        ),
    ),
    AxisField(
        "depth",
        "path",
        "layers",
        lambda n, i, to: common_site(n, i, to).depth,
        lambda n, i, to, value: set_path(n, i, to, depth=value),
        kind=int,
        minimum=0,
        switch=bool,
    ),
    _attention("self_attention", "self-attention"),
    _attention("cross_attention", "cross-attention"),
    AxisField(  # no complaint: a site without either is an error of its own
        "resblocks",
        "path",
        "resblocks",
        lambda n, i, to: common_site(n, i, to).resblock,
        lambda n, i, to, value: set_path(n, i, to, resblock=value),
        kind=bool,
        choices=_flags,
        active=_path_attends,
        neutral=True,
    ),
    _conv(
        "conv", "convs", choices=lambda: CONV.names, switch=lambda kind: CONV_KINDS[kind].options
    ),
    _conv("expansion", "expansion", kind=float),
    _conv("base", "expansion base", choices=_names(ConvBase)),
    AxisField(  # no complaint: which options a kind has is checked with the convolution
        "biases",
        "stage",
        "conv biases",
        _biases,
        _set_biases,
        choices=lambda: tuple(_BIASES),
        active=lambda n, i: bool(CONV_KINDS[n.stages[i].conv.kind].options),
        neutral="none",
    ),
    _transformer_field(
        "kv_heads",
        "KV heads",
        _kv_heads,
        _set_kv_heads,
        kind=int,
        special=("all",),
        plain=lambda n, i: n.stages[i].kv_heads,
        neutral="all",
    ),
    _transformer_field(
        "ff_ratio",
        "FFN ratio",
        lambda n, i: n.stages[i].ff_ratio,
        _set_ff_ratio,
        kind=float,
        neutral=4.0,
    ),
)

UNET_FIELDS = {field.name: field for field in _ROWS}
