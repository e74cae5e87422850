"""`Encoder`: the frozen encoder whose latents a decoder reads, and where it comes from.

A recipe names a VAE of diffusers; an export may have one beside its decoder, or the linear one that
it was trained with; otherwise the best linear encoder of the pictures is fitted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from proxies.data.training_data import TrainingData
from proxies.picture_encoder import FITTED_ON, Encode, LinearEncoder, linear_encoder, vae_encoder
from search_space.decoder.spec import DecoderSpec
from search_space.exported_decoder import ENCODER_FILE, VAE_FOLDER

if TYPE_CHECKING:
    from proxies.objectives.reconstruction import Reconstruction


@dataclass(frozen=True, eq=False)
class Encoder:
    """What encodes, with the digest of what it computes."""

    encode: Encode
    digest: str


def encoder_of(
    objective: "Reconstruction", data: TrainingData, spec: DecoderSpec, device: str
) -> Encoder:
    """Return the VAE that ``objective`` names, or the best linear encoder of ``data``.

    Raises :class:`WalkbenchError` for a VAE that cannot be loaded.
    """
    if objective.encoder is not None:
        return Encoder(*vae_encoder(objective.encoder, device))
    pictures = data.batch(torch.arange(min(FITTED_ON, len(data)))).x0
    linear = linear_encoder(pictures, spec.in_channels, spec.factor)
    return Encoder(linear, linear.digest())


def known_encoder(folder: Path, facts: dict[str, Any], device: str) -> Encoder | None:
    """Return the encoder that an export has beside its decoder, None where it has none.

    ``facts`` are those of its `export.json`. Raises :class:`WalkbenchError` where it is damaged.
    """
    if facts.get("encoder"):
        return Encoder(*vae_encoder(str(folder / VAE_FOLDER), device))
    if (folder / ENCODER_FILE).is_file():
        linear = LinearEncoder.load(folder / ENCODER_FILE)
        return Encoder(linear, linear.digest())
    return None
