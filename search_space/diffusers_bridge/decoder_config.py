"""Configs of `AutoencoderKL` and `AutoencoderTiny` as decoders, and back.

A config describes a whole autoencoder; the fields of its encoder and those that only scale latents
around the network are read past, and written as the class's defaults.

>>> from search_space.decoder.presets import named_decoder
>>> name, config = config_from_decoder(named_decoder("sdxl-decoder"))
>>> name, config["block_out_channels"], config["sample_size"]
('AutoencoderKL', [128, 256, 512, 512], 1024)
>>> decoder_from_config(config) == named_decoder("sdxl-decoder")
True
"""

from collections.abc import Iterator, Mapping
from typing import Any

from search_space.conv import Conv
from search_space.decoder.parts import (
    NORM_EPS,
    DecoderMid,
    DecoderStage,
    has_norms,
)
from search_space.decoder.spec import DecoderSpec
from search_space.diffusers_bridge.classes import ACTIVATIONS
from search_space.diffusers_bridge.fields import Fields, is_count
from search_space.errors import WalkbenchError

KL, TINY = "AutoencoderKL", "AutoencoderTiny"
TINY_LATENT = 64  # AutoencoderTiny's config has no size; Stable Diffusion's at 512 pixels

_KL_DEFAULTS: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ("DownEncoderBlock2D",),
    "up_block_types": ("UpDecoderBlock2D",),
    "block_out_channels": (64,),
    "layers_per_block": 1,
    "act_fn": "silu",
    "latent_channels": 4,
    "norm_num_groups": 32,
    "sample_size": 32,
    "scaling_factor": 0.18215,
    "shift_factor": None,
    "latents_mean": None,
    "latents_std": None,
    "force_upcast": True,
    "use_quant_conv": True,
    "use_post_quant_conv": True,
    "mid_block_add_attention": True,
}
_TINY_DEFAULTS: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "encoder_block_out_channels": (64, 64, 64, 64),
    "decoder_block_out_channels": (64, 64, 64, 64),
    "act_fn": "relu",
    "upsample_fn": "nearest",
    "latent_channels": 4,
    "upsampling_scaling_factor": 2,
    "num_encoder_blocks": (1, 3, 3, 3),
    "num_decoder_blocks": (3, 3, 3, 1),
    "latent_magnitude": 3,
    "latent_shift": 0.5,
    "force_upcast": False,
    "scaling_factor": 1.0,
    "shift_factor": 0.0,
    "block_out_channels": None,  # written by the class itself
}
DECODER_CLASSES: dict[str, Mapping[str, Any]] = {KL: _KL_DEFAULTS, TINY: _TINY_DEFAULTS}
_UP_BLOCKS = {"UpDecoderBlock2D": False, "AttnUpDecoderBlock2D": True}  # whether it attends


def decoder_from_config(
    config: Mapping[str, Any], *, latent_size: int | None = None
) -> DecoderSpec:
    """Return the decoder of an autoencoder's config.

    ``latent_size`` replaces what follows from `sample_size`. Raises :class:`WalkbenchError` with
    every field that a decoder cannot express, each with its value and what is allowed.
    """
    name = str(config["_class_name"])
    defaults = DECODER_CLASSES[name]
    fields = Fields(config, defaults)
    for field in config:
        if field not in defaults and not field.startswith("_"):
            fields.refuse(field, f"no such field in {name}")
    parts = _kl(fields, latent_size) if name == KL else _tiny(fields, latent_size)
    fields.check()
    try:
        return DecoderSpec(**parts)
    except WalkbenchError as error:
        raise WalkbenchError(f"this config contradicts itself: {error}") from None


def _kl(fields: Fields, latent_size: int | None) -> dict[str, Any]:
    widths = _widths(fields, "block_out_channels")
    n = len(widths)
    attends = fields.kinds("up_block_types", _UP_BLOCKS, n)[::-1]  # lowest resolution first
    blocks = fields.count("layers_per_block") + 1
    stages = tuple(
        DecoderStage(width, blocks, attention=bool(attends[i])) for i, width in enumerate(widths)
    )
    return {
        "stages": stages,
        "mid": DecoderMid(2, fields.flag("mid_block_add_attention")),
        "activation": fields.activation(ACTIVATIONS),
        "post_quant": fields.flag("use_post_quant_conv"),
        "norm_groups": fields.count("norm_num_groups"),
        "in_channels": fields.count("latent_channels"),
        "out_channels": fields.count("out_channels"),
        "latent_size": latent_size or _latent_size(fields, 1 << (n - 1)),
    }


def _tiny(fields: Fields, latent_size: int | None) -> dict[str, Any]:
    fields.only("upsample_fn", "nearest")
    fields.only("upsampling_scaling_factor", 2)
    widths = _widths(fields, "decoder_block_out_channels")[::-1]  # lowest resolution first
    if len(set(widths)) > 1:
        fields.refuse("decoder_block_out_channels", "equal widths, which the class needs")
    blocks = fields.counts("num_decoder_blocks", len(widths))[::-1]
    stages = tuple(DecoderStage(w, b, norms=0) for w, b in zip(widths, blocks, strict=True))
    return {
        "stages": stages,
        "form": "tiny",
        "activation": fields.activation(ACTIVATIONS),
        "out_norm": False,
        "in_channels": fields.count("latent_channels"),
        "out_channels": fields.count("out_channels"),
        "latent_size": latent_size or TINY_LATENT,
    }


def _widths(fields: Fields, name: str) -> list[int]:
    given = fields[name]
    if isinstance(given, (list, tuple)) and given and all(map(is_count, given)):
        return list(given)
    fields.refuse(name, "a list of positive integers, one for each stage")
    return [1]


def _latent_size(fields: Fields, factor: int) -> int:
    size = fields["sample_size"]
    if isinstance(size, (list, tuple)) and len(size) == 2 and size[0] == size[1]:
        size = size[0]
    if is_count(size) and size % factor == 0:
        return int(size) // factor
    fields.refuse("sample_size", f"a multiple of {factor}; or choose a latent size")
    return 1


def config_from_decoder(
    spec: DecoderSpec, *, scaling_factor: float | None = None, shift_factor: float | None = None
) -> tuple[str, dict[str, Any]]:
    """Return the class that has this decoder, and its config with an encoder as wide.

    ``scaling_factor`` and ``shift_factor`` are those of the latents it was trained on, the class's
    defaults without. Raises :class:`WalkbenchError` with every reason why no class has it.
    """
    name = TINY if spec.form == "tiny" else KL
    reasons = list(_obstacles(spec))
    if reasons:
        raise WalkbenchError(f"{name} cannot express this decoder: {'; '.join(reasons)}")
    config = dict(DECODER_CLASSES[name])
    config |= {"_class_name": name, "out_channels": spec.out_channels}
    config |= {"latent_channels": spec.in_channels, "act_fn": spec.activation}
    widths, blocks = [s.channels for s in spec.stages], [s.blocks for s in spec.stages]
    if name == TINY:
        del config["block_out_channels"]
        encoder = {"encoder_block_out_channels": widths, "num_encoder_blocks": blocks}
        config |= encoder | {
            "decoder_block_out_channels": widths[::-1],
            "num_decoder_blocks": blocks[::-1],
        }
    else:
        up = ["AttnUpDecoderBlock2D" if s.attention else "UpDecoderBlock2D" for s in spec.stages]
        config |= {
            "block_out_channels": widths,
            "layers_per_block": blocks[0] - 1,
            "down_block_types": ["DownEncoderBlock2D"] * len(widths),
            "up_block_types": up[::-1],
            "norm_num_groups": spec.norm_groups,
            "sample_size": spec.picture_size,
            "use_quant_conv": spec.post_quant,
            "use_post_quant_conv": spec.post_quant,
            "mid_block_add_attention": spec.mid is not None and spec.mid.attention,
        }
    if scaling_factor is not None:
        config["scaling_factor"] = scaling_factor
    if shift_factor is not None:
        config["shift_factor"] = shift_factor
    return name, config


def _obstacles(spec: DecoderSpec) -> Iterator[str]:
    """Reasons against the stock class of the decoder's form."""
    if spec.sampler != "dense":
        yield f"sampler is {spec.sampler}, not dense"
    if spec.activation not in ACTIVATIONS.values():
        yield f"activation {spec.activation} is not in diffusers"
    for i, stage in enumerate(spec.stages):
        if stage.conv != Conv():
            yield f"stages[{i}].conv is not dense with the block's own width inside"
    if spec.form == "tiny":
        if len({stage.channels for stage in spec.stages}) > 1:
            yield "stages differ in channels"
        return
    if spec.reduction != "resblock" and len(spec.stages) > 1:
        yield "reduction is upsampler, not resblock"
    if spec.mid is None or spec.mid.resblocks != 2:
        yield "mid does not have two resblocks"
    if not spec.out_norm or spec.out_activation != "silu":
        yield "the last conv is not behind a norm and SiLU"
    if any(stage.norms != 2 for stage in spec.stages):
        yield "blocks do not have two norms each"
    if len({stage.blocks for stage in spec.stages}) > 1:
        yield "stages differ in blocks"
    if spec.stages[0].blocks < 2:
        yield "stages have one block each, where the class has two or more"
    if has_norms(spec) and spec.norm_eps != NORM_EPS:
        yield f"norm_eps is {spec.norm_eps:g}, not {NORM_EPS:g}"
