"""Drafts of a UNet: mutable, unvalidated copies of a spec that search axes write to.

A draft has the fields of a spec; its stages and its mid are mutable too. Paths and convolutions are
replaced as whole values and interned, so that planning finds cached segments by identity.

>>> from search_space.presets import named_spec
>>> draft = thaw(named_spec("sd15"))
>>> set_channels(draft, 3, 640)
>>> draft.stages[3].heads, draft.time_width  # as wide as the last stage, as before
(4, 640)
"""

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from search_space.axis import NotOneValue
from search_space.conv import Conv
from search_space.errors import WalkbenchError
from search_space.parts import Mid, Path, Site

conv_of = lru_cache(maxsize=1 << 12)(Conv)
path_of = lru_cache(maxsize=1 << 14)(Path)
site_of = lru_cache(maxsize=1 << 10)(Site)


def thaw(spec: Any) -> SimpleNamespace:
    """Return a draft of ``spec``."""
    draft = _fields(spec)
    draft.stages = [_fields(stage) for stage in spec.stages]
    if spec.mid is not None:
        draft.mid = _fields(spec.mid)
    return draft


def _fields(value: Any) -> SimpleNamespace:
    return SimpleNamespace(**{k: v for k, v in value.__dict__.items() if k[0] != "_"})


def check_base(spec: Any) -> None:
    """Raise :class:`WalkbenchError` unless axes can describe ``spec``."""
    head_dims = {stage.head_dim for stage in spec.stages}
    if len(head_dims) > 1:
        raise WalkbenchError(
            f"stages have different head_dim {sorted(head_dims)}; a space needs one"
        )
    for i, stage in enumerate(spec.stages):
        if stage.heads * stage.head_dim != stage.channels:
            raise WalkbenchError(
                f"stages[{i}] has {stage.heads} heads of {stage.head_dim} at {stage.channels} "
                "channels; a space needs heads that fill the channels"
            )
        for direction in ("down", "up"):
            common_site(spec, i, direction)


def common_site(network: Any, i: int, direction: str) -> Site:
    """Return the site that all sites of a path are equal to; raises where they differ."""
    sites: tuple[Site, ...] = getattr(network.stages[i], direction).sites
    if len(set(sites)) > 1:
        raise NotOneValue(
            f"stages[{i}].{direction}.sites differ from one another; a space needs them alike"
        )
    return sites[0]


def set_channels(draft: Any, i: int, channels: int) -> None:
    """Set a stage's width and its heads; time width and KV heads follow if they were equal."""
    stage = draft.stages[i]
    if channels % stage.head_dim:
        raise WalkbenchError(f"{channels} channels are not a multiple of head_dim {stage.head_dim}")
    if i == len(draft.stages) - 1 and draft.time_width == stage.channels:
        draft.time_width = channels
    heads = channels // stage.head_dim
    if stage.kv_heads == stage.heads:
        stage.kv_heads = heads
    stage.channels, stage.heads = channels, heads


def set_path(
    draft: Any,
    i: int,
    direction: str,
    *,
    sites: int | None = None,
    depth: int | None = None,
    resblock: bool | None = None,
    self_attention: bool | None = None,
    cross_attention: bool | None = None,
) -> None:
    """Replace a path, whose sites are equal, with the given fields changed."""
    stage = draft.stages[i]
    path: Path = getattr(stage, direction)
    site = path.sites[0]
    if depth is not None or resblock is not None:
        site = site_of(
            site.depth if depth is None else depth, site.resblock if resblock is None else resblock
        )
    changed = path_of(
        (site,) * (len(path.sites) if sites is None else sites),
        path.self_attention if self_attention is None else self_attention,
        path.cross_attention if cross_attention is None else cross_attention,
    )
    setattr(stage, direction, changed)


def set_conv(draft: Any, i: int, **changes: Any) -> None:
    """Replace a stage's convolutions with ``changes`` applied."""
    stage = draft.stages[i]
    conv: Conv = stage.conv
    stage.conv = conv_of(
        changes.get("kind", conv.kind),
        changes.get("expansion", conv.expansion),
        changes.get("base", conv.base),
        changes.get("depthwise_bias", conv.depthwise_bias),
        changes.get("pointwise_bias", conv.pointwise_bias),
    )


def new_mid() -> SimpleNamespace:
    """Return an empty mid, which axes then fill."""
    return _fields(Mid(0, 0))
