"""The reasons why a stock diffusers class cannot build a spec, field by field.

>>> from search_space.presets import named_spec
>>> obstacles(named_spec("dreamlite"), "DreamLiteUNetModel")
[]
>>> obstacles(named_spec("sdxl").replace(rope=True), "UNet2DConditionModel")
['rope is set']
"""

from collections.abc import Iterator

from search_space.diffusers_bridge.classes import ACTIVATIONS, DREAMLITE
from search_space.spec import Conv, Path, Stage, UNetSpec

SEPARABLE = Conv("separable", 2.0)  # the one that DreamLite's use_sep_conv builds


def obstacles(spec: UNetSpec, class_name: str) -> list[str]:
    """Return every reason why diffusers' ``class_name`` cannot build ``spec``; none if it can."""
    dreamlite = class_name == DREAMLITE
    found = [*_common(spec), *_paths(spec, dreamlite)]
    found += _dreamlite(spec) if dreamlite else _stock(spec)
    return list(dict.fromkeys(found))


def _common(spec: UNetSpec) -> Iterator[str]:
    """Reasons against both classes."""
    conditions = spec.conditions
    if spec.sampler != "dense":
        yield f"sampler is {spec.sampler}, not dense"
    if spec.rope:
        yield "rope is set"
    if spec.activation not in ACTIVATIONS.values():
        yield f"activation is {spec.activation}, not one of {', '.join(ACTIVATIONS.values())}"
    elif conditions.added_width and spec.activation != "silu":
        yield f"activation is {spec.activation} beside an added embedding, which stays at silu"
    if conditions.pooled_width and not conditions.size_ids:
        yield "conditions has pooled text without size numbers"
    if spec.mid is not None:
        wanted = 2 if spec.mid.depth else 1
        if spec.mid.resblocks != wanted:
            yield f"mid has {spec.mid.resblocks} resblocks at depth {spec.mid.depth}, not {wanted}"
        if spec.mid.depth and not (spec.mid.self_attention and spec.mid.cross_attention):
            yield "mid lacks self- or cross-attention"
        first = spec.stages[-1].down.sites[0].depth
        if spec.mid.depth and first not in (0, spec.mid.depth):
            yield f"mid has depth {spec.mid.depth}, not the {first} of the last stage's first site"


def _paths(spec: UNetSpec, dreamlite: bool) -> Iterator[str]:
    for i, stage in enumerate(spec.stages):
        where = f"stages[{i}]"
        if len(stage.up.sites) != len(stage.down.sites) + 1:
            sites = f"{len(stage.down.sites)} sites down and {len(stage.up.sites)} up"
            yield f"{where} has {sites}, not one more up than down"
        if spec.has_transformer(i) and stage.channels // stage.heads != stage.head_dim:
            heads = f"{stage.heads} heads of {stage.head_dim}"
            yield f"{where} has {heads}, which do not fill its {stage.channels} channels"
        yield from _path(stage.down, f"{where}.down", spec, dreamlite)
        yield from _path(stage.up, f"{where}.up", spec, dreamlite)


def _path(path: Path, where: str, spec: UNetSpec, dreamlite: bool) -> Iterator[str]:
    if not all(site.resblock for site in path.sites):
        yield f"{where} has a site without resblock"
    if not path.has_transformer:
        return
    if not all(site.depth for site in path.sites):
        yield f"{where} has sites with and without transformer"
    if not path.cross_attention:
        yield f"{where} has no cross-attention"
    if path.self_attention:
        return
    if not dreamlite:
        yield f"{where} has no self-attention"
    elif spec.without_self_attention != "norm":
        yield f"{where} skips self-attention where DreamLite goes on with norm1 of the stream"


def _stock(spec: UNetSpec) -> Iterator[str]:
    """Reasons against `UNet2DConditionModel` alone."""
    if spec.qk_norm != "none":
        yield f"qk_norm is {spec.qk_norm}, not none"
    if spec.context.projection == "linear_rms":
        yield "context.projection is linear_rms, not none or linear"
    if spec.conditions.size_ids and not spec.conditions.pooled_width:
        yield "conditions has size numbers without pooled text"
    for i, stage in enumerate(spec.stages):
        if stage.conv.kind != "dense":
            yield f"stages[{i}].conv is not dense"
        elif stage.conv != Conv():
            yield f"stages[{i}].conv is dense with another width inside"
        if stage.kv_heads != stage.heads:
            yield f"stages[{i}].kv_heads is {stage.kv_heads}, not {stage.heads}"
        if stage.ff_ratio != 4:
            yield f"stages[{i}].ff_ratio is {stage.ff_ratio:g}, not 4"


def _dreamlite(spec: UNetSpec) -> Iterator[str]:
    """Reasons against `DreamLiteUNetModel` alone."""
    first = spec.stages[0].conv
    if any(stage.conv != first for stage in spec.stages):
        yield "stages differ in conv"
    elif first not in (Conv(), SEPARABLE):
        yield "conv is neither dense nor separable with twice the output inside and no bias"
    attending = [stage for i, stage in enumerate(spec.stages) if spec.has_transformer(i)]
    if not (_same_kv_heads(attending) or all(s.kv_heads == s.heads for s in attending)):
        yield "stages differ in kv_heads"
    if len({stage.ff_ratio for stage in attending}) > 1:
        yield "stages differ in ff_ratio"


def _same_kv_heads(stages: list[Stage]) -> bool:
    return len({stage.kv_heads for stage in stages}) <= 1
