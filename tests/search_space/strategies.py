"""Hypothesis strategies: any spec the rules allow, small enough to build in milliseconds.

Widths are multiples of eight so that every expansion and every skip keeps the norm groups whole;
everything else is drawn freely, unusual combinations first.
"""

from typing import Any

from hypothesis import strategies as st

from search_space.axes import UNET_FIELDS
from search_space.spec import Conditions, Context, Conv, Mid, Path, Site, Stage, UNetSpec

flags = st.booleans()


@st.composite
def convs(draw: st.DrawFn) -> Conv:
    kind = draw(st.sampled_from(["dense", "separable"]))
    expansion = draw(st.sampled_from([1.0, 2.0, 1.5, 0.5]))
    base = draw(st.sampled_from(["out", "in", "max"]))
    if kind == "dense":
        return Conv(kind, expansion, base)
    return Conv(kind, expansion, base, draw(flags), draw(flags))


@st.composite
def sites(draw: st.DrawFn) -> Site:
    depth = draw(st.integers(0, 2))
    return Site(depth, resblock=depth == 0 or draw(flags))


@st.composite
def paths(draw: st.DrawFn, max_sites: int = 3) -> Path:
    chosen = tuple(draw(st.lists(sites(), min_size=1, max_size=max_sites)))
    has = any(site.depth for site in chosen)
    return Path(chosen, has and draw(flags), has and draw(flags))


@st.composite
def mids(draw: st.DrawFn) -> Mid:
    depth = draw(st.integers(0, 2))
    resblocks = draw(st.integers(0 if depth else 1, 3))
    return Mid(depth, resblocks, depth > 0 and draw(flags), depth > 0 and draw(flags))


@st.composite
def stages(draw: st.DrawFn, mid: Mid | None) -> Stage:
    """A stage above ``mid``, if it is the last one; None: no transformer comes from there."""
    heads = draw(st.sampled_from([1, 2, 4]))
    down, up = draw(paths()), draw(paths(max_sites=5))  # fewer, as many and more sites than skips
    attends = down.has_transformer or up.has_transformer or (mid is not None and mid.depth > 0)
    kv_heads = st.sampled_from([n for n in (1, 2, 4) if heads % n == 0])
    return Stage(
        channels=draw(st.sampled_from([8, 16, 24])),
        heads=heads,
        head_dim=draw(st.sampled_from([4, 8])),
        down=down,
        up=up,
        kv_heads=draw(kv_heads) if attends else heads,
        ff_ratio=draw(st.sampled_from([4.0, 3.0, 8 / 3, 0.5])) if attends else 4.0,
        conv=draw(convs()),
    )


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    projection = draw(st.sampled_from(["none", "linear", "linear_rms"]))
    given = 0 if projection == "none" else draw(st.sampled_from([6, 12]))
    return Context(draw(st.sampled_from([8, 12])), draw(st.integers(1, 9)), projection, given)


@st.composite
def conditions(draw: st.DrawFn) -> Conditions:
    return Conditions(
        pooled_width=draw(st.sampled_from([0, 10])),
        size_ids=draw(st.sampled_from([0, 2, 6])),
        size_width=draw(st.sampled_from([2, 8])),
        classes=draw(st.sampled_from([0, 5])),
    )


@st.composite
def specs(draw: st.DrawFn) -> UNetSpec:
    mid, count = draw(st.none() | mids()), draw(st.integers(1, 3))
    chosen = [draw(stages(mid if i == count - 1 else None)) for i in range(count)]
    return UNetSpec(
        stages=tuple(chosen),
        mid=mid,
        time_width=draw(st.sampled_from([8, 12])),
        context=draw(contexts()),
        conditions=draw(conditions()),
        sampler=draw(st.sampled_from(["dense", "separable", "none"])),
        qk_norm=draw(st.sampled_from(["none", "rms", "layer"])),
        rope=draw(flags),
        without_self_attention=draw(st.sampled_from(["skip", "norm"])),
        activation=draw(st.sampled_from(["silu", "gelu", "relu", "mish", "hardswish"])),
        norm_groups=draw(st.sampled_from([1, 2, 4])),
        norm_eps=draw(st.sampled_from([1e-5, 1e-6])),
        in_channels=draw(st.sampled_from([3, 4, 16])),
        out_channels=draw(st.sampled_from([3, 4, 16])),
        # From 2: at one pixel, four groups of an expansion by a half would have a value each.
        latent_size=2 ** (count - 1) * draw(st.integers(2, 3)),
    )


@st.composite
def searchable_specs(draw: st.DrawFn) -> UNetSpec:
    """Specs that axes can describe: alike sites, heads of one width that fill the channels."""
    spec, head_dim = draw(specs()), 8
    stages = []
    for stage in spec.stages:
        channels = draw(st.sampled_from([8, 16, 32]))
        heads = channels // head_dim
        paths = [Path((p.sites[0],) * len(p.sites)) for p in (stage.down, stage.up)]
        for i, path in enumerate(paths):
            if path.has_transformer:
                paths[i] = Path(path.sites, draw(flags), draw(flags))
        attends = any(path.has_transformer for path in paths)
        if spec.mid is not None and spec.mid.depth and len(stages) == len(spec.stages) - 1:
            attends = True
        kv_heads = draw(st.sampled_from([1, heads])) if attends else heads
        ff_ratio = stage.ff_ratio if attends else 4.0
        stages.append(
            Stage(channels, heads, head_dim, *paths, kv_heads=kv_heads, ff_ratio=ff_ratio)
        )
    return spec.replace(stages=tuple(stages))


_LISTS = {  # values of the fields that hold numbers, or more than the registry of their choices
    "mid_depth": [0, 1, 2],
    "mid_resblocks": [1, 2],
    "channels": [8, 16, 32],
    "sites": [1, 2, 3],
    "depth": [0, 1, 2],
    "expansion": [0.5, 1.0, 2.0],
    "kv_heads": ["all", 1, 2],
    "ff_ratio": [2.0, 3.0, 4.0],
}
_RANGES = {"mid_depth": (0, 2), "sites": (1, 2), "depth": (0, 2), "channels": (8, 32)}


@st.composite
def space_axes(draw: st.DrawFn, stages: int) -> dict[str, Any]:
    """The [axes] of a space over a base of ``stages``: any fields, in any of their forms."""
    axes: dict[str, Any] = {}
    for name, field in UNET_FIELDS.items():
        if not draw(flags):
            continue
        forms = [name]
        if field.scope != "network" and draw(flags):
            forms = [f"{name}.{i}" for i in range(stages) if draw(flags)]
        if field.scope == "path" and draw(flags):
            places = [f if "." in f else f"{f}.{i}" for f in forms for i in range(stages)]
            forms = [f"{place}.{to}" for place in dict.fromkeys(places) for to in ("down", "up")]
        for form in forms:
            axes[form] = draw(_bounds(name))
    return axes or {"rope": [False, True]}


@st.composite
def _bounds(draw: st.DrawFn, name: str) -> Any:
    choices = UNET_FIELDS[name].choices
    values = list(choices()) if choices is not None else _LISTS[name]
    if name in _RANGES and draw(flags):
        low, high = _RANGES[name]
        return {"low": low, "high": high, "step": 8 if name == "channels" else 1}
    return draw(st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))
