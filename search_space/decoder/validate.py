"""The rules of a valid `DecoderSpec`, each with an error that says how to fix it.

>>> from search_space.decoder.presets import named_decoder
>>> named_decoder("sd-decoder").replace(norm_groups=48)
Traceback (most recent call last):
    ...
search_space.errors.SpecError: norm_groups 48 does not divide the resblock input 512; change
norm_groups, the stage's channels or the expansion
"""

from typing import TYPE_CHECKING, Any, get_args

from search_space.blocks import Activation
from search_space.conv import SAMPLER
from search_space.decoder.parts import (
    NORM_EPS,
    NORM_GROUPS,
    Form,
    Reduction,
    has_norms,
    widths_differ,
)
from search_space.errors import SpecError
from search_space.limits import LARGEST, check_not_huge, check_not_negative, check_positive
from search_space.validate import check_conv

if TYPE_CHECKING:
    from search_space.decoder.spec import DecoderSpec

_POSITIVE = ("norm_groups", "norm_eps", "in_channels", "out_channels", "latent_size")


def validate(spec: "DecoderSpec") -> None:
    """Raise :class:`SpecError` for the first rule that ``spec`` breaks."""
    if not spec.stages:
        raise SpecError("stages is empty; a decoder needs at least one stage")
    for name in _POSITIVE:
        check_positive(getattr(spec, name), name)
    _check_names(spec)
    for i, stage in enumerate(spec.stages):
        where = f"stages[{i}]"
        check_positive(stage.channels, f"{where}.channels")
        check_positive(stage.blocks, f"{where}.blocks")
        check_conv(stage.conv, f"{where}.conv")
        if stage.norms not in (0, 1, 2):
            raise SpecError(f"{where}.norms is {stage.norms}; allowed: 0, 1, 2")
    check_not_huge(len(spec.stages), "the number of stages")
    if spec.picture_size > LARGEST:
        raise SpecError(
            f"latent_size {spec.latent_size} and {len(spec.stages)} stages give a picture of "
            f"{spec.picture_size} pixels; at most {LARGEST} are allowed"
        )
    _check_mid(spec)
    if spec.form == "tiny":
        _check_tiny(spec)
    _check_without_effect(spec)


def _check_names(spec: "DecoderSpec") -> None:
    SAMPLER.check(spec.sampler, "sampler")
    names: dict[str, Any] = {
        "form": Form,
        "reduction": Reduction,
        "activation": Activation,
        "out_activation": Activation,
    }
    for name, literal in names.items():
        value, allowed = getattr(spec, name), get_args(literal)
        if value not in allowed:
            raise SpecError(f"{name} is {value!r}; allowed: {', '.join(allowed)}")


def _check_mid(spec: "DecoderSpec") -> None:
    mid = spec.mid
    if mid is None:
        return
    check_not_negative(mid.resblocks, "mid.resblocks")
    if mid.resblocks == 0 and not mid.attention:
        raise SpecError("mid has 0 resblocks and no attention; use null for no mid, or give it one")


def _check_tiny(spec: "DecoderSpec") -> None:
    """Blocks of the tiny form have neither norms nor attention."""
    if spec.mid is not None:
        raise SpecError("mid is set, but form is tiny, which has none; use null, or form resnet")
    for name in ("out_norm", "post_quant"):
        if getattr(spec, name):
            raise SpecError(f"{name} is true, but form is tiny; set it to false, or form to resnet")
    for i, stage in enumerate(spec.stages):
        for name in ("norms", "attention"):
            if getattr(stage, name):
                raise SpecError(
                    f"stages[{i}].{name} is {getattr(stage, name)}, but form is tiny; "
                    "set it to 0, or form to resnet"
                )


def _check_without_effect(spec: "DecoderSpec") -> None:
    """Fields without effect must hold their neutral value, so that equal networks are equal."""
    if spec.reduction == "upsampler":
        if spec.sampler == "none":
            raise SpecError(
                "reduction is upsampler, but sampler is none and has no conv that could reduce; "
                "use reduction resblock or another sampler"
            )
        if not widths_differ(spec):
            raise SpecError(
                "reduction is upsampler, but all stages have the same channels; "
                "leave it at resblock"
            )
    if not has_norms(spec) and (spec.norm_groups, spec.norm_eps) != (NORM_GROUPS, NORM_EPS):
        raise SpecError(
            f"norm_groups {spec.norm_groups} and norm_eps {spec.norm_eps:g} are set, but the "
            f"decoder has no norm; leave them at {NORM_GROUPS} and {NORM_EPS:g}"
        )
    if not spec.out_norm and spec.out_activation != "silu":
        raise SpecError(
            f"out_activation is {spec.out_activation}, but out_norm is false and no activation "
            "stands before the last conv; leave it at silu"
        )
