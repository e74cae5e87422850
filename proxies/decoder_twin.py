"""The twin of a decoder: narrower, and for smaller pictures.

256 channels become ``width``, as in a UNet's twin; blocks, convolutions, norms, the place of the
reduction and the number of latent channels stay. ``latent`` is the side of the pictures: the
latents of a decoder with four stages are an eighth of it.

>>> from search_space.decoder import named_decoder
>>> small = decoder_twin(named_decoder("sd-decoder"), 32, 24, channels=3, tokens=1)
>>> [stage.channels for stage in small.stages], small.latent_size, small.picture_size
([16, 32, 64, 64], 3, 24)
"""

import dataclasses
from functools import lru_cache

from proxies.twin import MIN_CHANNELS, REFERENCE_WIDTH, TwinError, with_groups
from search_space.decoder.parts import DecoderStage, has_norms
from search_space.decoder.spec import DecoderSpec


@lru_cache(maxsize=4096)
def decoder_twin(
    spec: DecoderSpec, width: int, latent: int, *, channels: int, tokens: int
) -> DecoderSpec:
    """Return the twin of a decoder; ``latent`` is the side of its pictures, of ``channels``."""
    for name, value in (("width", width), ("latent", latent), ("channels", channels)):
        if value < 1:
            raise TwinError(f"twin rule {name}: {value} is given; a positive number is needed")
    if latent % spec.factor:
        near = max(spec.factor, round(latent / spec.factor) * spec.factor)
        raise TwinError(
            f"twin rule latent: pictures of {latent} pixels are not a multiple of {spec.factor}, "
            f"which {len(spec.stages)} stages need; use {near}"
        )
    scale = width / REFERENCE_WIDTH
    stages = tuple(_stage(stage, scale, f"stages[{i}]") for i, stage in enumerate(spec.stages))
    changes = {
        "stages": stages,
        "out_channels": channels,
        "latent_size": latent // spec.factor,
    }
    if len({stage.channels for stage in stages}) == 1:
        changes["reduction"] = "resblock"
    groups = max(1, round(spec.norm_groups * scale)) if has_norms(spec) else spec.norm_groups
    return with_groups(spec, changes, groups)


def _stage(stage: DecoderStage, scale: float, where: str) -> DecoderStage:
    exact = stage.channels * scale
    if exact < MIN_CHANNELS - 1:
        least = -(-MIN_CHANNELS * REFERENCE_WIDTH // stage.channels)
        raise TwinError(
            f"twin rule channels: {where}.channels {stage.channels} would become {exact:.3g}, "
            f"fewer than {MIN_CHANNELS}; use a width of {least} or more"
        )
    return dataclasses.replace(stage, channels=max(MIN_CHANNELS, 2 * round(exact / 2)))
