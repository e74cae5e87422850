"""Weights of a UNet under Walkbench's parameter names and under those of diffusers, both ways.

The names follow from the plan: each step says which segment it stands in and which block it is, and
a block's parameters are those of the module that `build` makes of it. Nothing else about the
topology is written here.

>>> from search_space.presets import named_spec
>>> names = parameter_names(named_spec("sd15"))
>>> names["down1.stack0.layers.0.cross_attention.out.weight"]
'down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_out.0.weight'
>>> names["up3.res2.time.bias"]
'up_blocks.0.resnets.2.time_emb_proj.bias'
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache

import torch
from torch import Tensor

from search_space.blocks import Block, ContextProj, TransformerStack
from search_space.diffusers_bridge.to_config import config_from_spec
from search_space.errors import WalkbenchError
from search_space.modules import build
from search_space.plan import plan
from search_space.spec import UNetSpec

_SHOWN = 3  # names in an error before "and N more"

# Ours to theirs inside a block, by pattern; what no pattern matches has the same name in both.
_EMBEDDING = ((r"^mlp\.linear([12])", r"linear_\1"),)
_RESBLOCK = (
    (r"^time\.", "time_emb_proj."),
    (r"^shortcut\.", "conv_shortcut."),
    (r"^(conv[12])\.0\.", r"\1.depthwise."),
    (r"^(conv[12])\.1\.", r"\1.pointwise."),
)
_STACK = (
    (r"^projection\.", ""),
    (r"^layers\.", "transformer_blocks."),
    (r"self_attention\.", "attn1."),
    (r"cross_attention\.", "attn2."),
    (r"(attn[12])\.out\.", r"\1.to_out.0."),
    (r"(attn[12])\.([qkv])\.", r"\1.to_\2."),
    (r"(attn[12])\.([qk])_norm\.", r"\1.norm_\2."),
    (r"ff\.gate\.", "ff.net.0.proj."),
    (r"ff\.out\.", "ff.net.2."),
)
_PROJECTION = re.compile(r"\.projection\.proj_(in|out)\.weight$")


def parameter_names(spec: UNetSpec) -> dict[str, str]:
    """Return Walkbench name → diffusers name for every parameter, in the order of the plan.

    Raises :class:`WalkbenchError` when no stock class builds ``spec``.
    """
    config_from_spec(spec)
    last, names = len(spec.stages) - 1, {}
    for path, step in plan(spec).steps():
        for inner in inner_names(step.block):
            names[f"{path}.{inner}"] = _theirs(path, step.block, inner, last)
    return names


def state_dict_to_walkbench(spec: UNetSpec, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a diffusers UNet under the names and shapes of ``UNet(spec)``.

    Projections stored as 1×1 convolutions become linear layers. Raises :class:`WalkbenchError`
    naming parameters that are missing or unexpected.
    """
    names = parameter_names(spec)
    check_names(names.values(), state, "diffusers")
    return {
        ours: state[theirs][:, :, 0, 0] if _is_conv(ours, state[theirs]) else state[theirs]
        for ours, theirs in names.items()
    }


def state_dict_to_diffusers(
    spec: UNetSpec, state: Mapping[str, Tensor], *, use_linear_projection: bool = True
) -> dict[str, Tensor]:
    """Return the weights of ``UNet(spec)`` under the names of the stock class that builds it.

    ``use_linear_projection`` as in :func:`config_from_spec`. Raises :class:`WalkbenchError` naming
    parameters that are missing or unexpected.
    """
    names = parameter_names(spec)
    check_names(names, state, "Walkbench")
    out = {}
    for ours, theirs in names.items():
        as_conv = not use_linear_projection and _PROJECTION.search(ours)
        out[theirs] = state[ours][:, :, None, None] if as_conv else state[ours]
    return out


def _is_conv(ours: str, weight: Tensor) -> bool:
    return weight.ndim == 4 and _PROJECTION.search(ours) is not None


def check_names(needed: Iterable[str], given: Iterable[str], whose: str) -> None:
    """Raise :class:`WalkbenchError` naming parameters that are missing or unexpected."""
    wanted, found = dict.fromkeys(needed), dict.fromkeys(given)
    missing = [name for name in wanted if name not in found]
    unexpected = [name for name in found if name not in wanted]
    if missing or unexpected:
        parts = [_some("missing", missing), _some("unexpected", unexpected)]
        raise WalkbenchError(
            f"these are not the {whose} weights of this spec: {'; '.join(filter(None, parts))}"
        )


def _some(what: str, names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{what} {', '.join(names[:_SHOWN])}{more}" if names else ""


@cache
def inner_names(block: Block) -> tuple[str, ...]:
    """Return the names of a block's parameters within its module."""
    with torch.device("meta"):
        return tuple(build(block).state_dict())


def _theirs(path: str, block: Block, inner: str, last: int) -> str:
    """The diffusers name of parameter ``inner`` of ``block`` at ``path``."""
    segment, step = path.split(".")
    if segment in ("input", "output"):
        return _ends(step, block, inner)
    number = re.sub(r"\D", "", step)
    side, stage = segment.rstrip("0123456789"), re.sub(r"\D", "", segment)
    if side == "mid":
        where = "mid_block"
    else:  # theirs counts up blocks from the lowest resolution
        where = f"{side}_blocks.{stage if side == 'down' else last - int(stage)}"
    if step.endswith("sample"):
        return f"{where}.{step}rs.0.{inner}"
    if isinstance(block, TransformerStack):
        return f"{where}.attentions.{number}.{rename(inner, _STACK)}"
    return f"{where}.resnets.{number}.{rename(inner, _RESBLOCK)}"


def _ends(step: str, block: Block, inner: str) -> str:
    """Names outside the stages."""
    if isinstance(block, ContextProj):
        if not block.rms:
            return inner.replace("linear.", "encoder_hid_proj.")
        return "encoder_hid_proj." + inner.replace("linear.", "0.").replace("norm.", "1.")
    if step == "conv_out" and inner.startswith("norm."):
        return inner.replace("norm.", "conv_norm_out.")
    if step in ("conv_in", "conv_out"):
        return f"{step}.{inner.removeprefix('conv.')}"
    name = {"time": "time_embedding", "added": "add_embedding", "classes": "class_embedding"}[step]
    return f"{name}.{rename(inner, _EMBEDDING)}"


def rename(name: str, patterns: Iterable[tuple[str, str]]) -> str:
    """Return ``name`` with each pattern replaced, in order."""
    for pattern, replacement in patterns:
        name = re.sub(pattern, replacement, name)
    return name
