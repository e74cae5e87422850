"""The search axes of a decoder, one table row each.

Rows that a UNet has in the same fields are the UNet's own.

>>> from search_space.decoder.presets import named_decoder
>>> spec = named_decoder("snapgen-decoder")
>>> DECODER_FIELDS["norms"].get(spec, 0), DECODER_FIELDS["reduction"].get(spec)
(1, 'upsampler')
"""

from types import SimpleNamespace
from typing import Any, get_args

from search_space.axes import UNET_FIELDS
from search_space.axis import AxisField, AxisTable, Value
from search_space.axis_fields import mid_field, network_field
from search_space.conv import SAMPLER
from search_space.decoder.parts import (
    NORM_EPS,
    NORM_GROUPS,
    DecoderMid,
    DecoderStage,
    Reduction,
    has_norms,
    widths_differ,
)
from search_space.decoder.spec import DecoderSpec
from search_space.unet_draft import thaw


def _resnet(draft: Any, *place: Any) -> bool:
    return bool(draft.form == "resnet")


def _has_mid(draft: Any) -> bool:
    return draft.mid is not None


def _flags() -> tuple[Value, ...]:
    return (False, True)


def _stage(name: str, words: str, **more: Any) -> AxisField:
    """A field of a stage."""

    def get(network: Any, i: int) -> Value:
        value: Value = getattr(network.stages[i], name)
        return value

    def write(draft: Any, i: int, value: Value) -> None:
        setattr(draft.stages[i], name, value)

    return AxisField(name, "stage", words, get, write, **more)


def _mid(name: str, words: str, neutral: Value, **more: Any) -> AxisField:
    return mid_field(name, words, neutral, active=_has_mid, **more)


def _set_mid(draft: Any, value: bool) -> None:
    draft.mid = (draft.mid or SimpleNamespace(resblocks=0, attention=False)) if value else None


_ROWS = (
    network_field(
        "sampler",
        "upsamplers",
        choices=lambda: SAMPLER.names,
        switch=lambda value: value == "none",
    ),
    UNET_FIELDS["activation"],
    network_field(
        "reduction",
        "where the width changes",
        choices=lambda: get_args(Reduction),
        active=lambda n: n.sampler != "none",
        neutral="resblock",
    ),
    network_field(
        "out_norm",
        "norm before the last conv",
        kind=bool,
        choices=_flags,
        active=_resnet,
        neutral=False,
    ),
    AxisField(
        "mid",
        "network",
        "mid",
        lambda n: n.mid is not None,
        _set_mid,
        kind=bool,
        choices=_flags,
        active=_resnet,
        neutral=False,
        switch=bool,
    ),
    _mid("mid_resblocks", "resblocks in the mid", 0, kind=int, minimum=0),
    _mid("mid_attention", "attention in the mid", False, kind=bool, choices=_flags),
    _stage("channels", "channels", kind=int),
    _stage("blocks", "blocks", kind=int),
    _stage(
        "norms",
        "norms per block",
        kind=int,
        choices=lambda: (0, 1, 2),
        active=_resnet,
        neutral=0,
    ),
    _stage("attention", "attention", kind=bool, choices=_flags, active=_resnet, neutral=False),
    *(UNET_FIELDS[name] for name in ("conv", "expansion", "base", "biases")),
)

DECODER_FIELDS = {field.name: field for field in _ROWS}


def freeze(draft: SimpleNamespace) -> DecoderSpec:
    """Return the spec of ``draft``; raises :class:`SpecError` where it contradicts itself.

    What has no effect in combination (where widths that are equal change, the groups of norms that
    do not exist) becomes neutral.
    """
    fields = dict(draft.__dict__)
    if not widths_differ(draft):
        fields["reduction"] = "resblock"
    if not has_norms(draft):
        fields |= {"norm_groups": NORM_GROUPS, "norm_eps": NORM_EPS}
    if not draft.out_norm:
        fields["out_activation"] = "silu"
    fields["stages"] = tuple(DecoderStage(**stage.__dict__) for stage in draft.stages)
    if draft.mid is not None:
        fields["mid"] = DecoderMid(**draft.mid.__dict__)
    return DecoderSpec(**fields)


DECODER_AXES = AxisTable(DECODER_FIELDS, thaw, freeze)
