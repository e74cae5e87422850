"""`unet_plan(spec)`: the topology of a UNet, written once.

Segments are ``input``, ``down0`` … with the highest resolution first, ``mid``, … ``up0``,
``output``.

>>> from search_space.presets import named_spec
>>> unet_plan(named_spec("sd15")).names
('input', 'down0', 'down1', 'down2', 'down3', 'mid', 'up3', 'up2', 'up1', 'up0', 'output')
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from search_space.blocks import (
    Activation,
    AddedEmbed,
    ClassEmbed,
    ContextProj,
    ConvIn,
    ConvOut,
    Fuse,
    Input,
    Norm,
    QKNorm,
    Resample,
    ResBlock,
    TimeEmbed,
    TransformerLayer,
    TransformerProjection,
    TransformerStack,
    WithoutSelfAttention,
)
from search_space.conv import CONV_KINDS, Conv
from search_space.frozen import frozen
from search_space.parts import Conditions, Context, Mid, Path, Stage
from search_space.plan import Plan, Segment, Step

if TYPE_CHECKING:
    from search_space.spec import UNetSpec


# Random candidates share most blocks and few segments: equal arguments give the same object, which
# is checked, hashed and compared once.
_cached = lru_cache(maxsize=1 << 17)
_norm = _cached(Norm)
_resblock = _cached(ResBlock)
_fuse = _cached(Fuse)
_resample = _cached(Resample)
_layer = _cached(TransformerLayer)
_projection = _cached(TransformerProjection)
_transformer = _cached(TransformerStack)
_step = _cached(Step)


@frozen
class _Shared:
    """What all stages of a network have in common."""

    time_width: int
    context: Context
    qk_norm: QKNorm
    rope: bool
    without_self_attention: WithoutSelfAttention
    sampler: str
    norm: Norm


def unet_plan(spec: "UNetSpec") -> Plan:
    """Return the blocks of ``spec`` in forward order."""
    shared = _Shared(
        spec.time_width,
        spec.context,
        spec.qk_norm,
        spec.rope,
        spec.without_self_attention,
        spec.sampler,
        _norm(spec.norm_groups, spec.norm_eps, spec.activation),
    )
    stages, last, size = spec.stages, len(spec.stages) - 1, spec.latent_size
    names = ["input"]
    segments = [_input(spec, _takes_entry(stages[0]))]
    width = stages[0].channels
    for i, stage in enumerate(stages):
        names.append(f"down{i}")
        to_next = "" if i == last else "skip" if _takes_entry(stages[i + 1]) else "plain"
        segments.append(_down(stage, width, size >> i, to_next, shared))
        width = stage.channels
    if spec.mid is not None:
        names.append("mid")
        segments.append(_mid(spec.mid, stages[-1], size >> last, shared))
    for i in range(last, -1, -1):
        names.append(f"up{i}")
        entry = stages[max(i - 1, 0)].channels  # width of the skip saved where the stage began
        segments.append(_up(stages[i], width, entry, size >> i, i > 0, shared))
        width = stages[i].channels
    names.append("output")
    norm = shared.norm
    segments.append(_output(width, spec.out_channels, size, norm))
    inputs = _inputs_of(spec.context, spec.conditions, spec.in_channels, size)
    return Plan(tuple(names), tuple(segments), inputs)


@lru_cache(maxsize=1 << 10)
def _inputs_of(
    context: Context, conditions: Conditions, in_channels: int, size: int
) -> tuple[tuple[str, Input], ...]:
    inputs = {
        "latents": Input((in_channels, size, size)),
        "timesteps": Input((), constant=500.0),
        "context": Input((context.tokens, context.given_width)),
    }
    if conditions.pooled_width:
        inputs["pooled"] = Input((conditions.pooled_width,))
    if conditions.size_ids:
        inputs["size_ids"] = Input((conditions.size_ids,), constant=1024.0)
    if conditions.classes:
        inputs["classes"] = Input((), integer=True)
    return tuple(inputs.items())


def _skips_taken(stage: Stage) -> int:
    """Skips the up path takes: at most one per down site and one from where the stage began."""
    return min(len(stage.up.sites), len(stage.down.sites) + 1)


def _takes_entry(stage: Stage) -> bool:
    """Whether the up path has enough sites to take the skip saved where the stage began."""
    return _skips_taken(stage) == len(stage.down.sites) + 1


def _input(spec: "UNetSpec", push: bool) -> Segment:
    return _input_of(
        spec.context,
        spec.conditions,
        spec.time_width,
        spec.stages[0].channels,
        spec.in_channels,
        spec.latent_size,
        spec.activation,
        push,
    )


@lru_cache(maxsize=1 << 16)
def _input_of(
    context: Context,
    conditions: Conditions,
    time_width: int,
    channels: int,
    in_channels: int,
    size: int,
    activation: Activation,
    push: bool,
) -> Segment:
    steps: list[Step] = []
    if context.projection != "none":
        rms = context.projection == "linear_rms"
        proj = ContextProj(context.input_width, context.width, context.tokens, rms)
        steps.append(Step("context", proj, ("context",), leaves="context"))
    steps.append(Step("time", TimeEmbed(channels, time_width, activation), leaves="time"))
    if conditions.classes:
        classes = ClassEmbed(conditions.classes, time_width)
        steps.append(Step("classes", classes, leaves="time", adds=True))
    if conditions.added_width:
        c = conditions
        added = AddedEmbed(c.pooled_width, c.size_ids, c.size_width, time_width, activation)
        steps.append(Step("added", added, leaves="time", adds=True))
    conv_in = ConvIn(in_channels, channels, size)
    steps.append(Step("conv_in", conv_in, ("latents",), push=push))
    return Segment(tuple(steps))


@lru_cache(maxsize=1 << 16)
def _output(channels: int, out_channels: int, size: int, norm: Norm) -> Segment:
    return Segment((Step("conv_out", ConvOut(channels, out_channels, size, norm)),))


@lru_cache(maxsize=1 << 16)
def _down(stage: Stage, width: int, size: int, to_next: str, shared: _Shared) -> Segment:
    sites, steps = stage.down.sites, []
    dropped = len(sites) + 1 - _skips_taken(stage)  # the up path takes the newest skips
    for i in range(len(sites)):
        site = _site(stage, stage.down, i, width, 0, size, shared)
        steps += _pushing(site) if i + 1 >= dropped else site
        width = stage.channels
    if to_next:
        block = _resample("down", width, size, _sampler_conv(stage, shared))
        steps.append(_step("downsample", block, push=to_next == "skip"))
    return Segment(tuple(steps))


@lru_cache(maxsize=1 << 16)
def _up(
    stage: Stage, width: int, entry: int, size: int, upsample: bool, shared: _Shared
) -> Segment:
    taken, steps = _skips_taken(stage), []
    for i in range(len(stage.up.sites)):
        skip = 0
        if i < taken:  # the oldest skip it takes may be the one saved where the stage began
            skip = entry if i == len(stage.down.sites) else stage.channels
        steps += _site(stage, stage.up, i, width, skip, size, shared)
        width = stage.channels
    if upsample:
        steps.append(_step("upsample", _resample("up", width, size, _sampler_conv(stage, shared))))
    return Segment(tuple(steps))


@lru_cache(maxsize=1 << 16)
def _mid(mid: Mid, stage: Stage, size: int, shared: _Shared) -> Segment:
    width = stage.channels
    res = _resblock(width, 0, width, size, shared.time_width, stage.conv, shared.norm)
    steps = [_step("res0", res)] if mid.resblocks else []
    if mid.depth:
        attention = (mid.self_attention, mid.cross_attention)
        steps.append(_step("stack0", _stack(stage, mid.depth, attention, size, shared)))
    steps += [_step(f"res{i}", res) for i in range(1, mid.resblocks)]
    return Segment(tuple(steps))


def _site(
    stage: Stage, path: Path, i: int, width: int, skip: int, size: int, shared: _Shared
) -> list[Step]:
    """The blocks of one site: a resblock (or what stands in for it), then its transformer stack."""
    site, out, steps = path.sites[i], stage.channels, []
    if site.resblock:
        res = _resblock(width, skip, out, size, shared.time_width, stage.conv, shared.norm)
        steps.append(_step(f"res{i}", res))
    elif skip or width != out:
        steps.append(_step(f"fuse{i}", _fuse(width, skip, out, size)))
    if site.depth:
        attention = (path.self_attention, path.cross_attention)
        steps.append(_step(f"stack{i}", _stack(stage, site.depth, attention, size, shared)))
    return steps


def _pushing(steps: list[Step]) -> list[Step]:
    """Let the last step of a site leave a skip."""
    *others, last = steps
    return [*others, _step(last.name, last.block, push=True)]


def _stack(
    stage: Stage, depth: int, attention: tuple[bool, bool], size: int, shared: _Shared
) -> TransformerStack:
    layer = _layer(
        stage.heads,
        stage.head_dim,
        stage.kv_heads,
        size,
        shared.context.width,
        shared.context.tokens,
        *attention,
        stage.ff_ratio,
        shared.qk_norm,
        shared.rope,
        shared.without_self_attention,
    )
    projection = _projection(stage.channels, layer.inner, size, shared.norm.groups)
    return _transformer(projection, layer, depth)


def _sampler_conv(stage: Stage, shared: _Shared) -> Conv | None:
    """Samplers have no expansion; they share the stage's choice of the options they have."""
    if shared.sampler == "none":
        return None
    options = {name: getattr(stage.conv, name) for name in CONV_KINDS[shared.sampler].options}
    return Conv(shared.sampler, **options)
