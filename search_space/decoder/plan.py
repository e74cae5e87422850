"""`decoder_plan(spec)`: the topology of a decoder, written once.

Segments are ``input``, ``mid``, then the stages from the lowest resolution up, ``output``.

>>> from search_space.decoder.presets import named_decoder
>>> plan = decoder_plan(named_decoder("sd-decoder"))
>>> plan.names
('input', 'mid', 'up3', 'up2', 'up1', 'up0', 'output')
>>> [step.name for step in plan.segments[2].steps]
['res0', 'res1', 'res2', 'upsample']
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from search_space.blocks import ConvIn, ConvOut, Fuse, Input, Norm, Resample
from search_space.blocks.block import Block
from search_space.blocks.decoder import (
    MapAttention,
    PlainResBlock,
    TinyBlock,
    TinyIn,
    TinyOut,
    UpsampleConv,
)
from search_space.conv import CONV_KINDS, Conv
from search_space.decoder.parts import DecoderMid, DecoderStage
from search_space.frozen import frozen
from search_space.plan import Plan, Segment, Step

if TYPE_CHECKING:
    from search_space.decoder.spec import DecoderSpec


@frozen
class _Shared:
    """What all stages of a decoder have in common."""

    tiny: bool
    reduction: str
    sampler: str
    norm: Norm


def decoder_plan(spec: "DecoderSpec") -> Plan:
    """Return the blocks of ``spec`` in forward order."""
    norm = Norm(spec.norm_groups, spec.norm_eps, spec.activation)
    shared = _Shared(spec.form == "tiny", spec.reduction, spec.sampler, norm)
    stages, last, size = spec.stages, len(spec.stages) - 1, spec.latent_size
    width = stages[last].channels
    names, segments = ["input"], [_input(spec, width)]
    if spec.mid is not None:
        names.append("mid")
        segments.append(_mid(spec.mid, stages[last], size, shared))
    for i in range(last, -1, -1):
        next_width = stages[i - 1].channels if i else 0
        names.append(f"up{i}")
        segments.append(_stage(stages[i], width, next_width, size << (last - i), shared))
        reduced = next_width and spec.reduction == "upsampler"
        width = next_width if reduced else stages[i].channels
    names.append("output")
    segments.append(_output(spec, width))
    inputs = (("latents", Input((spec.in_channels, size, size))),)
    return Plan(tuple(names), tuple(segments), inputs)


def _input(spec: "DecoderSpec", width: int) -> Segment:
    z, size = spec.in_channels, spec.latent_size
    if spec.form == "tiny":
        tiny = TinyIn(z, width, size, spec.activation)
        return Segment((Step("conv_in", tiny, ("latents",)),))
    conv = ConvIn(z, width, size)
    if not spec.post_quant:
        return Segment((Step("conv_in", conv, ("latents",)),))
    return Segment((Step("post_quant", Fuse(z, 0, z, size), ("latents",)), Step("conv_in", conv)))


def _output(spec: "DecoderSpec", width: int) -> Segment:
    out, size = spec.out_channels, spec.picture_size
    if spec.form == "tiny":
        last: Block = TinyOut(width, out, size)
    elif spec.out_norm:
        norm = Norm(spec.norm_groups, spec.norm_eps, spec.out_activation)
        last = ConvOut(width, out, size, norm)
    else:
        last = ConvIn(width, out, size)  # a 3×3 conv on its own
    return Segment((Step("conv_out", last),))


@lru_cache(maxsize=1 << 14)
def _mid(mid: DecoderMid, stage: DecoderStage, size: int, shared: _Shared) -> Segment:
    width = stage.channels
    res = _block(stage, width, size, shared)
    steps = [Step("res0", res)] if mid.resblocks else []
    if mid.attention:
        steps.append(Step("attention0", _attention(width, size, shared)))
    steps += [Step(f"res{i}", res) for i in range(1, mid.resblocks)]
    return Segment(tuple(steps))


@lru_cache(maxsize=1 << 16)
def _stage(stage: DecoderStage, width: int, next_width: int, size: int, shared: _Shared) -> Segment:
    """The blocks of one stage; ``next_width`` is that of the next stage, 0 for the last."""
    steps = []
    for i in range(stage.blocks):
        steps.append(Step(f"res{i}", _block(stage, width, size, shared)))
        width = stage.channels
        if stage.attention:
            steps.append(Step(f"attention{i}", _attention(width, size, shared)))
    if next_width:
        out = next_width if shared.reduction == "upsampler" else width
        steps.append(Step("upsample", _upsampler(stage, width, out, size, shared)))
    return Segment(tuple(steps))


def _block(stage: DecoderStage, width: int, size: int, shared: _Shared) -> Block:
    out, activation = stage.channels, shared.norm.activation
    if shared.tiny:
        return TinyBlock(width, out, size, stage.conv, activation)
    norm = shared.norm if stage.norms else Norm(1, shared.norm.eps, activation)
    return PlainResBlock(width, out, size, stage.conv, stage.norms, norm)


def _attention(width: int, size: int, shared: _Shared) -> MapAttention:
    return MapAttention(width, size, shared.norm.groups, shared.norm.eps)


def _upsampler(stage: DecoderStage, width: int, out: int, size: int, shared: _Shared) -> Block:
    """What doubles the map; it shares the stage's choice of the options that its conv has."""
    if shared.sampler == "none":
        return Resample("up", width, size, None)
    options = {name: getattr(stage.conv, name) for name in CONV_KINDS[shared.sampler].options}
    conv = Conv(shared.sampler, **options)
    if width == out and not shared.tiny:
        return Resample("up", width, size, conv)
    return UpsampleConv(width, out, size, conv, bias=not shared.tiny)
