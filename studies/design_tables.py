"""A spec as a table of its stages, and the differences of two networks in few lines.

>>> from search_space.presets import named_spec
>>> changes(named_spec("F/ffn-3"), named_spec("F/mqa"))
[('stage 2 · KV heads', '8', '1'), ('stage 3 · KV heads', '14', '1')]
>>> head, rows = stage_table(named_spec("snapgen-t2i"))
>>> head, rows[1]
(['', 'stage 1', 'stage 2', 'stage 3', 'mid'], ['channels', '256', '512', '896', '896'])
"""

import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from search_space.axes import UNET_FIELDS
from search_space.differences import differences
from search_space.network import Network
from search_space.spec import Context, Path, Site, Stage, UNetSpec

_WORDS = {
    **{name: field.words for name, field in UNET_FIELDS.items()},
    "head_dim": "head width",
    "sites": "site",
    "stages": "stage",
    "latent_size": "latent size",
}


def stage_table(spec: UNetSpec) -> tuple[list[str], list[list[str]]]:
    """Return (head, rows): one column per stage and one for the mid block, where there is one."""
    head = ["", *(f"stage {i}" for i in range(1, len(spec.stages) + 1))]
    sizes = [spec.latent_size >> i for i in range(len(spec.stages))]
    last = spec.stages[-1]
    attends = [spec.has_transformer(i) for i in range(len(spec.stages))]
    rows = [
        ["resolution", *(f"{size}²" for size in sizes)],
        ["channels", *(str(stage.channels) for stage in spec.stages)],
        ["down", *(_path(stage.down) for stage in spec.stages)],
        ["up", *(_path(stage.up) for stage in spec.stages)],
        ["3×3 convs", *(_convs(stage) for stage in spec.stages)],
        [
            "heads (KV)",
            *(_heads(s) if a else "–" for s, a in zip(spec.stages, attends, strict=True)),
        ],
        [
            "FFN ratio",
            *(f"{s.ff_ratio:g}" if a else "–" for s, a in zip(spec.stages, attends, strict=True)),
        ],
    ]
    if spec.mid is not None:
        head.append("mid")
        mid = spec.mid
        what = _attention(mid.self_attention, mid.cross_attention)
        inner = f"{mid.resblocks} res" + (f" + {mid.depth}× {what}" if mid.depth else "")
        has = mid.depth > 0
        cells = [f"{sizes[-1]}²", str(last.channels), inner, "–", _convs(last)]
        cells += [_heads(last) if has else "–", f"{last.ff_ratio:g}" if has else "–"]
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell)
    return head, rows


def shared_facts(spec: UNetSpec) -> list[str]:
    """Return what the stages share, a short phrase each."""
    facts = [
        _context(spec.context),
        f"{spec.sampler} samplers",
        f"time embedding {spec.time_width}",
    ]
    facts.append(f"QK norm {spec.qk_norm}")
    facts.append("RoPE" if spec.rope else "no RoPE")
    facts.append(f"{spec.activation}, {spec.norm_groups} norm groups")
    conditions = spec.conditions
    if conditions.pooled_width:
        facts.append(f"pooled text {conditions.pooled_width}")
    if conditions.size_ids:
        facts.append(f"{conditions.size_ids} size numbers")
    if conditions.classes:
        facts.append(f"{conditions.classes} classes")
    return facts


def changes(before: Network, after: Network) -> list[tuple[str, str, str]]:
    """Return (where, before, after) for all that differs; what changes alike shares a line."""
    groups: dict[tuple[str, str, str], list[tuple[int, ...]]] = {}
    for path, old, new in _differences(before, after):
        places = tuple(int(i) + 1 for i in re.findall(r"\[(\d+)\]", path))
        pattern = re.sub(r"\[\d+\]", "[]", path)
        groups.setdefault((pattern, _value(old), _value(new)), []).append(places)
    return [
        (_where(pattern, places), old, new)
        for (pattern, old, new), found in groups.items()
        for places in _merged(found)
    ]


def _differences(before: Network, after: Network) -> Iterator[tuple[str, Any, Any]]:
    """Yield differences by leaf; stages that only one of the two has are counted."""
    a, b = before.to_dict(), after.to_dict()
    if before.kind != after.kind:
        yield "kind", before.kind, after.kind
        return
    if "stages" in a and "stages" in b:
        common = min(len(a["stages"]), len(b["stages"]))
        if len(a["stages"]) != len(b["stages"]):
            yield "number of stages", len(a["stages"]), len(b["stages"])
        a["stages"], b["stages"] = a["stages"][:common], b["stages"][:common]
    yield from differences(a, b)


def _merged(found: list[tuple[int, ...]]) -> Iterable[list[list[int]]]:
    """Merge places that form a full grid, such as stages 1, 2 × sites 1, 2; others stay apart."""
    columns = [sorted(set(column)) for column in zip(*found, strict=True)]
    if sorted(product(*columns)) == sorted(found):
        return [columns]
    return [[[place] for place in places] for places in found]


def _where(pattern: str, places: list[list[int]]) -> str:
    """Write ``stages[].down.sites[].depth`` as words: stage 1 · down · sites 1, 2 · layers."""
    numbers_left, parts = list(places), []
    for part in pattern.split("."):
        name = part.removesuffix("[]")
        word = _WORDS.get(name, name.replace("_", " "))
        if part == "sites":  # as a whole
            word = "sites"
        if part.endswith("[]"):
            numbers = numbers_left.pop(0)
            word += ("s " if len(numbers) > 1 else " ") + ", ".join(map(str, numbers))
        parts.append(word)
    return " · ".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(
            f"{_WORDS.get(k, k.replace('_', ' '))} {_value(v)}" for k, v in value.items()
        )
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(v, dict) and "resblock" in v for v in value):
            return _sites([Site(v["depth"], v["resblock"]) for v in value])
        return f"{len(value)}: " + "; ".join(map(_value, value))
    return str(value)


def _path(path: Path) -> str:
    what = _attention(path.self_attention, path.cross_attention)
    return _sites(path.sites, what)


def _sites(sites: Iterable[Site], what: str = "") -> str:
    """Write sites alike together: 2× (res + 2× CA), 1× res."""
    runs: list[tuple[Site, int]] = []
    for site in sites:
        if runs and runs[-1][0] == site:
            runs[-1] = (site, runs[-1][1] + 1)
        else:
            runs.append((site, 1))
    return ", ".join(f"{count}× {_site(site, what)}" for site, count in runs)


def _site(site: Site, what: str) -> str:
    stack = f"{site.depth}× {what}" if what else f"{site.depth} layer{'s' * (site.depth != 1)}"
    if not site.depth:
        return "res" if site.resblock else "nothing"
    return f"(res + {stack})" if site.resblock else f"({stack})"


def _attention(own: bool, cross: bool) -> str:
    return "+".join(name for name, on in (("SA", own), ("CA", cross)) if on) or "FFN"


def _convs(stage: Stage) -> str:
    conv = stage.conv
    if conv.kind == "dense" and conv.expansion == 1.0:
        return "dense"
    base = {"out": "", "in": " of in", "max": " of max"}[conv.base]
    return f"{conv.kind}, ×{conv.expansion:g}{base}" if conv.expansion != 1.0 else conv.kind


def _heads(stage: Stage) -> str:
    return f"{stage.heads} ({stage.kv_heads})"


def _context(context: Context) -> str:
    if context.projection == "none":
        return f"text {context.tokens} × {context.width}"
    return f"text {context.tokens} × {context.input_width}, projected to {context.width}"
