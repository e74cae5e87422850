"""The rules of a valid `UNetSpec`, each with an error that says how to fix it.

There are two kinds of rules: sizes that must fit together (norm groups divide channels, KV heads
divide heads), and neutral values of fields without effect, so that equal networks have equal specs.
The latter come from the table of axes; blocks check the widths they meet when the spec is planned.

>>> from search_space.presets import named_spec
>>> named_spec("sdxl").replace(norm_groups=48)
Traceback (most recent call last):
    ...
search_space.errors.SpecError: norm_groups 48 does not divide stages[0].channels 320;
use a divisor such as 40
"""

from typing import TYPE_CHECKING

from search_space.axes import UNET_FIELDS
from search_space.conv import CONV, CONV_KINDS, OPTIONS, SAMPLER
from search_space.errors import SpecError
from search_space.limits import check_not_huge, check_not_negative, check_positive

if TYPE_CHECKING:
    from search_space.spec import Conv, Path, UNetSpec


_POSITIVE = ("time_width", "norm_groups", "norm_eps", "in_channels", "out_channels", "latent_size")


def validate(spec: "UNetSpec") -> None:
    """Raise :class:`SpecError` for the first rule that ``spec`` breaks."""
    if not spec.stages:
        raise SpecError("stages is empty; a UNet needs at least one stage")
    for name in _POSITIVE:
        check_positive(getattr(spec, name), name)
    SAMPLER.check(spec.sampler, "sampler")
    for i in range(len(spec.stages)):
        _check_stage(spec, i, f"stages[{i}]")
    _check_mid(spec)
    _check_without_effect(spec)
    _check_conditions(spec)
    factor = 2 ** (len(spec.stages) - 1)
    if spec.latent_size % factor:
        raise SpecError(
            f"latent_size {spec.latent_size} is not a multiple of {factor}, which "
            f"{len(spec.stages)} stages need"
        )


def _divides(groups: int, channels: int, where: str) -> None:
    if channels % groups:
        near = next(g for g in range(min(groups, channels), 0, -1) if channels % g == 0)
        raise SpecError(
            f"norm_groups {groups} does not divide {where} {channels}; use a divisor such as {near}"
        )


def _check_stage(spec: "UNetSpec", index: int, where: str) -> None:
    stage = spec.stages[index]
    check_positive(stage.channels, f"{where}.channels")
    _divides(spec.norm_groups, stage.channels, f"{where}.channels")
    for name in ("heads", "head_dim", "kv_heads", "ff_ratio"):
        check_positive(getattr(stage, name), f"{where}.{name}")
    if stage.heads % stage.kv_heads:
        raise SpecError(
            f"{where}.kv_heads {stage.kv_heads} does not divide heads {stage.heads}; "
            f"use 1 (multi-query), {stage.heads} (multi-head) or a divisor"
        )
    inner = stage.heads * stage.head_dim
    check_not_huge(inner, f"{where}.heads × head_dim")
    if not inner * stage.ff_ratio >= 1:
        raise SpecError(
            f"{where}.ff_ratio {stage.ff_ratio} of width {inner} leaves no hidden width; "
            f"use {1 / inner:.2g} or more"
        )
    if spec.rope and stage.head_dim % 4:
        raise SpecError(
            f"{where}.head_dim {stage.head_dim} is not a multiple of 4, which rope needs"
        )
    check_conv(stage.conv, f"{where}.conv")
    for name, path in (("down", stage.down), ("up", stage.up)):
        _check_path(path, f"{where}.{name}")


def check_conv(conv: "Conv", where: str) -> None:
    """Raise :class:`SpecError` unless ``conv`` names a kind and holds only options it has."""
    CONV.check(conv.kind, f"{where}.kind")
    check_positive(conv.expansion, f"{where}.expansion")
    without = [name for name in OPTIONS if name not in CONV_KINDS[conv.kind].options]
    if any(getattr(conv, name) for name in without):
        kinds = " or ".join(name.removesuffix("_bias") for name in without)
        raise SpecError(
            f"{where} is {conv.kind} and has no {kinds} bias; "
            f"set {'both' if len(without) > 1 else 'it'} to false"
        )


def _check_path(path: "Path", where: str) -> None:
    if not path.sites:
        raise SpecError(f"{where}.sites is empty; a path needs at least one site")
    for i, site in enumerate(path.sites):
        check_not_negative(site.depth, f"{where}.sites[{i}].depth")
        if not site.resblock and site.depth == 0:
            raise SpecError(f"{where}.sites[{i}] has neither resblock nor transformer; give it one")


def _check_without_effect(spec: "UNetSpec") -> None:
    """Check that fields without effect hold the neutral value of their axis."""
    stages = len(spec.stages)
    for field, active, complaint, neutral in _CONDITIONAL:
        for place in field.places(stages):
            if not active(spec, *place) and field.get(spec, *place) != neutral:
                raise SpecError(complaint(spec, *place))


_CONDITIONAL = [
    (field, field.active, field.complaint, field.neutral)
    for field in UNET_FIELDS.values()
    if field.active is not None and field.complaint is not None
]


def _check_mid(spec: "UNetSpec") -> None:
    mid = spec.mid
    if mid is None:
        return
    check_not_negative(mid.depth, "mid.depth")
    check_not_negative(mid.resblocks, "mid.resblocks")
    if mid.resblocks == 0 and mid.depth == 0:
        raise SpecError("mid has 0 resblocks and depth 0; use null for no mid, or give it one")


def _check_conditions(spec: "UNetSpec") -> None:
    context, conditions = spec.context, spec.conditions
    check_positive(context.width, "context.width")
    check_positive(context.tokens, "context.tokens")
    if context.projection == "none" and context.input_width:
        raise SpecError(
            f"context.input_width is {context.input_width} but projection is none; "
            "set it to 0 or name a projection"
        )
    if context.projection != "none":
        check_positive(context.input_width, "context.input_width")
    for name in ("pooled_width", "size_ids", "classes"):
        check_not_negative(getattr(conditions, name), f"conditions.{name}")
    check_not_huge(conditions.size_width, "conditions.size_width")
    if conditions.size_width <= 0 or conditions.size_width % 2:
        raise SpecError(
            f"conditions.size_width is {conditions.size_width}; an even positive number is needed"
        )
    if spec.stages[0].channels % 2:
        raise SpecError(
            f"stages[0].channels {spec.stages[0].channels} is odd; the sinusoidal time embedding "
            "needs an even width"
        )
