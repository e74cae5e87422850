"""`Outline`: a spec seen from far enough away that a search can move it.

A search does not edit single sites. It sees a stage as a width, a number of sites, a depth and
switches for each direction, and the network as a few stages plus what they share. :func:`outline`
reads that view from a spec, :func:`to_spec` writes it back; specs with uneven sites inside a path
have no outline.

>>> from search_space.presets import named_spec
>>> view = outline(named_spec("F/mqa"))
>>> view.stages[2].channels, view.stages[2].kv_heads, view.mid_depth
(896, 1, 4)
>>> to_spec(view) == named_spec("F/mqa")
True
"""

from dataclasses import dataclass
from typing import Literal

from search_space.errors import WalkbenchError
from search_space.spec import (
    Activation,
    Conditions,
    Context,
    Conv,
    ConvBase,
    Mid,
    Path,
    QKNorm,
    Site,
    Stage,
    UNetSpec,
    WithoutSelfAttention,
)

Biases = Literal["none", "depthwise", "pointwise", "both"]
KVHeads = int | Literal["all"]  # "all": as many as query heads


class NoOutline(WalkbenchError):
    """The spec says something that an outline cannot."""


@dataclass(frozen=True)
class PathOutline:
    """One direction of a stage: all sites alike."""

    sites: int
    depth: int
    self_attention: bool
    cross_attention: bool
    resblocks: bool


@dataclass(frozen=True)
class StageOutline:
    """One stage as a search sees it."""

    channels: int
    down: PathOutline
    up: PathOutline
    kv_heads: KVHeads
    ff_ratio: float
    conv: str
    expansion: float
    base: ConvBase
    biases: Biases


@dataclass(frozen=True)
class Outline:
    """One network as a search sees it. ``time_width`` None: as wide as the last stage."""

    stages: tuple[StageOutline, ...]
    head_dim: int
    mid: bool
    mid_depth: int
    mid_resblocks: int
    mid_self_attention: bool
    mid_cross_attention: bool
    time_width: int | None
    context: Context
    conditions: Conditions
    sampler: str
    qk_norm: QKNorm
    rope: bool
    without_self_attention: WithoutSelfAttention
    activation: Activation
    norm_groups: int
    norm_eps: float
    in_channels: int
    out_channels: int
    latent_size: int

    def has_transformer(self, index: int) -> bool:
        """Whether stage ``index`` has transformer layers: on a path or, if the last, in the mid."""
        stage = self.stages[index]
        in_mid = index == len(self.stages) - 1 and self.mid and self.mid_depth > 0
        return in_mid or stage.down.depth > 0 or stage.up.depth > 0


def outline(spec: UNetSpec) -> Outline:
    """Return the outline of ``spec``; raises :class:`NoOutline` naming what it cannot say."""
    head_dims = {stage.head_dim for stage in spec.stages}
    if len(head_dims) > 1:
        raise NoOutline(f"stages have different head_dim {sorted(head_dims)}; a space needs one")
    for i, stage in enumerate(spec.stages):
        if stage.heads * stage.head_dim != stage.channels:
            raise NoOutline(
                f"stages[{i}] has {stage.heads} heads of {stage.head_dim} at {stage.channels} "
                "channels; a space needs heads that fill the channels"
            )
    mid = spec.mid or Mid(0, 0)
    last = spec.stages[-1].channels
    return Outline(
        stages=tuple(_stage_outline(stage, i) for i, stage in enumerate(spec.stages)),
        head_dim=head_dims.pop(),
        mid=spec.mid is not None,
        mid_depth=mid.depth,
        mid_resblocks=mid.resblocks,
        mid_self_attention=mid.self_attention,
        mid_cross_attention=mid.cross_attention,
        time_width=None if spec.time_width == last else spec.time_width,
        context=spec.context,
        conditions=spec.conditions,
        sampler=spec.sampler,
        qk_norm=spec.qk_norm,
        rope=spec.rope,
        without_self_attention=spec.without_self_attention,
        activation=spec.activation,
        norm_groups=spec.norm_groups,
        norm_eps=spec.norm_eps,
        in_channels=spec.in_channels,
        out_channels=spec.out_channels,
        latent_size=spec.latent_size,
    )


def to_spec(view: Outline) -> UNetSpec:
    """Return the spec that ``view`` outlines; raises `SpecError` where it contradicts itself."""
    mid = Mid(
        view.mid_depth,
        view.mid_resblocks,
        view.mid_depth > 0 and view.mid_self_attention,
        view.mid_depth > 0 and view.mid_cross_attention,
    )
    last = view.stages[-1].channels
    return UNetSpec(
        stages=tuple(_stage(view, i) for i in range(len(view.stages))),
        mid=mid if view.mid else None,
        time_width=last if view.time_width is None else view.time_width,
        context=view.context,
        conditions=view.conditions,
        sampler=view.sampler,
        qk_norm=view.qk_norm,
        rope=view.rope,
        without_self_attention=view.without_self_attention,
        activation=view.activation,
        norm_groups=view.norm_groups,
        norm_eps=view.norm_eps,
        in_channels=view.in_channels,
        out_channels=view.out_channels,
        latent_size=view.latent_size,
    )


def _stage_outline(stage: Stage, i: int) -> StageOutline:
    conv = stage.conv
    biases: dict[tuple[bool, bool], Biases] = {
        (False, False): "none",
        (True, False): "depthwise",
        (False, True): "pointwise",
        (True, True): "both",
    }
    return StageOutline(
        channels=stage.channels,
        down=_path_outline(stage.down, f"stages[{i}].down"),
        up=_path_outline(stage.up, f"stages[{i}].up"),
        kv_heads="all" if stage.kv_heads == stage.heads else stage.kv_heads,
        ff_ratio=stage.ff_ratio,
        conv=conv.kind,
        expansion=conv.expansion,
        base=conv.base,
        biases=biases[conv.depthwise_bias, conv.pointwise_bias],
    )


def _path_outline(path: Path, where: str) -> PathOutline:
    if len(set(path.sites)) > 1:
        raise NoOutline(f"{where}.sites differ from one another; a space needs them alike")
    site = path.sites[0]
    return PathOutline(
        len(path.sites), site.depth, path.self_attention, path.cross_attention, site.resblock
    )


def _stage(network: Outline, index: int) -> Stage:
    view, head_dim = network.stages[index], network.head_dim
    if view.channels % head_dim:
        raise NoOutline(f"{view.channels} channels are not a multiple of head_dim {head_dim}")
    heads = view.channels // head_dim
    attends, separable = network.has_transformer(index), view.conv == "separable"
    return Stage(
        channels=view.channels,
        heads=heads,
        head_dim=head_dim,
        down=_path(view.down),
        up=_path(view.up),
        kv_heads=heads if view.kv_heads == "all" or not attends else view.kv_heads,
        ff_ratio=view.ff_ratio if attends else 4.0,
        conv=Conv(
            view.conv,
            view.expansion,
            view.base,
            separable and view.biases in ("depthwise", "both"),
            separable and view.biases in ("pointwise", "both"),
        ),
    )


def _path(view: PathOutline) -> Path:
    has = view.depth > 0
    site = Site(view.depth, view.resblocks or not has)
    return Path((site,) * view.sites, has and view.self_attention, has and view.cross_attention)
