"""`plan(spec)`: the topology of a UNet, written once, as the list of its blocks in forward order.

Everything downstream reads this list: :class:`search_space.unet.UNet` builds and runs it,
:func:`search_space.cost.cost` prices it, latency tables look its blocks up. A step says which block
runs, whether it first takes the newest skip, and whether its output becomes one.

The list is cut into segments (input, one per stage and direction, mid, output). Candidates of a
search differ in few stages, so segments are built once per distinct content and shared; whoever
prices a plan caches per segment.

>>> from search_space.presets import named_spec
>>> steps = list(plan(named_spec("snapgen-t2i")).steps())
>>> [path for path, _ in steps][:6]
['input.time', 'input.conv_in', 'down0.stack0', 'down0.stack1', 'down0.downsample', 'down1.res0']
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from search_space.block import (
    AddedEmbed,
    Block,
    ClassEmbed,
    ContextProj,
    ConvIn,
    ConvOut,
    Fuse,
    Norm,
    Resample,
    ResBlock,
    TimeEmbed,
    TransformerLayer,
    TransformerProjection,
    TransformerStack,
)
from search_space.frozen import frozen
from search_space.spec import (
    Activation,
    Conditions,
    Context,
    Conv,
    Mid,
    Path,
    QKNorm,
    SamplerKind,
    Stage,
    UNetSpec,
    WithoutSelfAttention,
)


@lru_cache(maxsize=1 << 17)
def _one_of_a_kind(block: Block) -> Block:
    """Return the first block that was equal to ``block``."""
    return block


@frozen
class Step:
    """One block at one place: ``pop`` takes the newest skip, ``push`` saves the output as one."""

    name: str
    block: Block
    pop: bool = False
    push: bool = False

    def __post_init__(self) -> None:
        # Equal blocks become one object, so that later look-ups compare none field by field.
        object.__setattr__(self, "block", _one_of_a_kind(self.block))


@frozen
class Segment:
    """Consecutive steps that candidates share as a whole."""

    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Plan:
    """Named segments in forward order: ``input``, ``down0`` …, ``mid``, … ``up0``, ``output``."""

    names: tuple[str, ...]
    segments: tuple[Segment, ...]

    def steps(self) -> Iterator[tuple[str, Step]]:
        """Yield ``(path, step)`` in forward order; the path is the module's name in ``UNet``."""
        for name, segment in zip(self.names, self.segments, strict=True):
            for step in segment.steps:
                yield f"{name}.{step.name}", step

    def blocks(self) -> Iterator[tuple[Block, int]]:
        """Yield every priced part with its count, in forward order, repetitions included."""
        for _, step in self.steps():
            yield from step.block.parts()


@frozen
class _Shared:
    """What all stages of a network have in common."""

    time_width: int
    context: Context
    qk_norm: QKNorm
    rope: bool
    without_self_attention: WithoutSelfAttention
    sampler: SamplerKind
    norm: Norm


def plan(spec: UNetSpec) -> Plan:
    """Return the blocks of ``spec`` in forward order.

    Validation has already planned every spec that exists, so the plan is kept on the spec.
    """
    cached: Plan | None = spec.__dict__.get("_plan")
    if cached is None:
        cached = spec.__dict__["_plan"] = _plan(spec)
    return cached


def _plan(spec: UNetSpec) -> Plan:
    shared = _Shared(
        spec.time_width,
        spec.context,
        spec.qk_norm,
        spec.rope,
        spec.without_self_attention,
        spec.sampler,
        Norm(spec.norm_groups, spec.norm_eps, spec.activation),
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
    return Plan(tuple(names), tuple(segments))


def _skips_taken(stage: Stage) -> int:
    """Skips the up path takes: at most one per down site and one from where the stage began."""
    return min(len(stage.up.sites), len(stage.down.sites) + 1)


def _takes_entry(stage: Stage) -> bool:
    """Whether the up path has enough sites to take the skip saved where the stage began."""
    return _skips_taken(stage) == len(stage.down.sites) + 1


def _input(spec: UNetSpec, push: bool) -> Segment:
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
        steps.append(Step("context", proj))
    steps.append(Step("time", TimeEmbed(channels, time_width, activation)))
    if conditions.classes:
        steps.append(Step("classes", ClassEmbed(conditions.classes, time_width)))
    if conditions.added_width:
        c = conditions
        added = AddedEmbed(c.pooled_width, c.size_ids, c.size_width, time_width, activation)
        steps.append(Step("added", added))
    steps.append(Step("conv_in", ConvIn(in_channels, channels, size), push=push))
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
        steps += _with_skip(site, pop=False, push=i + 1 >= dropped)
        width = stage.channels
    if to_next:
        block = Resample("down", width, size, _sampler_conv(stage, shared))
        steps.append(Step("downsample", block, push=to_next == "skip"))
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
        site = _site(stage, stage.up, i, width, skip, size, shared)
        steps += _with_skip(site, pop=skip > 0, push=False)
        width = stage.channels
    if upsample:
        steps.append(Step("upsample", Resample("up", width, size, _sampler_conv(stage, shared))))
    return Segment(tuple(steps))


@lru_cache(maxsize=1 << 16)
def _mid(mid: Mid, stage: Stage, size: int, shared: _Shared) -> Segment:
    width = stage.channels
    res = ResBlock(width, 0, width, size, shared.time_width, stage.conv, shared.norm)
    steps = [Step("res0", res)] if mid.resblocks else []
    if mid.depth:
        attention = (mid.self_attention, mid.cross_attention)
        steps.append(Step("stack0", _stack(stage, mid.depth, attention, size, shared)))
    steps += [Step(f"res{i}", res) for i in range(1, mid.resblocks)]
    return Segment(tuple(steps))


def _site(
    stage: Stage, path: Path, i: int, width: int, skip: int, size: int, shared: _Shared
) -> list[Step]:
    """The blocks of one site: a resblock (or what stands in for it), then its transformer stack."""
    site, out, steps = path.sites[i], stage.channels, []
    if site.resblock:
        res = ResBlock(width, skip, out, size, shared.time_width, stage.conv, shared.norm)
        steps.append(Step(f"res{i}", res))
    elif skip or width != out:
        steps.append(Step(f"fuse{i}", Fuse(width, skip, out, size)))
    if site.depth:
        attention = (path.self_attention, path.cross_attention)
        steps.append(Step(f"stack{i}", _stack(stage, site.depth, attention, size, shared)))
    return steps


def _with_skip(steps: list[Step], pop: bool, push: bool) -> list[Step]:
    """Let the first step of a site take a skip and the last one leave one."""
    if pop:
        steps[0] = Step(steps[0].name, steps[0].block, True, steps[0].push)
    if push:
        steps[-1] = Step(steps[-1].name, steps[-1].block, steps[-1].pop, True)
    return steps


def _stack(
    stage: Stage, depth: int, attention: tuple[bool, bool], size: int, shared: _Shared
) -> TransformerStack:
    layer = TransformerLayer(
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
    projection = TransformerProjection(stage.channels, layer.inner, size, shared.norm.groups)
    return TransformerStack(projection, layer, depth)


def _sampler_conv(stage: Stage, shared: _Shared) -> Conv | None:
    """Samplers have no expansion; separable ones share the stage's choice of biases."""
    if shared.sampler == "none":
        return None
    if shared.sampler == "dense":
        return Conv()
    biases = (stage.conv.depthwise_bias, stage.conv.pointwise_bias)
    return Conv("separable", 1.0, "out", *biases)
