"""Frozen encoders that a decoder in training decodes from: the user's VAE, or the best linear one.

Without a VAE there is nothing to download: :func:`linear_encoder` keeps the principal components of
patches (`factor` × `factor` pixels, as many as the decoder has latent channels), each scaled to
variance one. No linear encoder loses less. All designs that a proxy compares read the same latents.

>>> pictures = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
>>> encode = linear_encoder(pictures, channels=4, factor=8)
>>> encode(pictures).shape
torch.Size([8, 4, 2, 2])
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from proxies.data.dataset import to_bytes
from proxies.data.training_data import TrainingData
from search_space.atomic import atomic_write
from search_space.errors import WalkbenchError

Encode = Callable[[Tensor], Tensor]  # pictures (B, C, S, S) in [-1, 1] to latents (B, z, S/f, S/f)

BATCH = 32
FITTED_ON = 1000  # pictures that the linear encoder is fitted on


@dataclass(frozen=True, eq=False)
class LinearEncoder:
    """Latents of patches: ``matrix``, (z, C·f·f), of what is left after ``offset``, (C·f·f, 1)."""

    matrix: Tensor
    offset: Tensor
    factor: int

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return the latents, (B, z, S/f, S/f), of pictures (B, C, S, S)."""
        side = pictures.shape[-1] // self.factor
        patches = _patches(pictures.float(), self.factor) - self.offset
        latents: Tensor = self.matrix @ patches  # (B, z, side²)
        return latents.reshape(*latents.shape[:2], side, side)

    def digest(self) -> str:
        """Return twelve hex digits that name what it computes."""
        content: Any = torch.cat([self.matrix.flatten(), self.offset.flatten()]).numpy()
        return hashlib.sha256(content.tobytes()).hexdigest()[:12]

    def save(self, path: Path) -> None:
        """Write it to ``path``."""
        tensors = {"matrix": self.matrix.contiguous(), "offset": self.offset.contiguous()}
        save_file(tensors, path, metadata={"factor": str(self.factor)})

    @classmethod
    def load(cls, path: Path) -> "LinearEncoder":
        """Read what :meth:`save` wrote; raises :class:`WalkbenchError` for anything else."""
        try:
            with safe_open(path, framework="pt") as file:
                factor = int((file.metadata() or {})["factor"])
                return cls(file.get_tensor("matrix"), file.get_tensor("offset"), factor)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise WalkbenchError(
                f"encoder {str(path)!r} cannot be read: {error}; name a VAE in its place"
            ) from None


def linear_encoder(pictures: Tensor, channels: int, factor: int) -> LinearEncoder:
    """Return the encoder to the ``channels`` first principal components of patches.

    Raises :class:`WalkbenchError` where a patch has fewer values than that.
    """
    patches = _patches(pictures.double(), factor).transpose(0, 1).flatten(1)  # (values, N)
    if channels > patches.shape[0]:
        raise WalkbenchError(
            f"the decoder reads {channels} latent channels, and a patch of {factor}×{factor} "
            f"pixels has {patches.shape[0]} values; name an encoder, or use a decoder with fewer"
        )
    mean = patches.mean(dim=1, keepdim=True)
    spread = (patches - mean) @ (patches - mean).T / patches.shape[1]
    values, vectors = torch.linalg.eigh(spread)  # ascending
    kept = vectors[:, -channels:].flip(1)
    kept = kept * kept.sum(dim=0).sign().where(kept.sum(dim=0) != 0, torch.tensor(1.0))
    scale = values[-channels:].flip(0).clamp(min=1e-8).sqrt()
    return LinearEncoder((kept / scale).T.float(), mean.float(), factor)


def _patches(pictures: Tensor, factor: int) -> Tensor:
    """(B, C, S, S) to (B, C·f·f, (S/f)²)."""
    patches: Tensor = F.unfold(pictures, factor, stride=factor)
    return patches


def vae_encoder(name: str, device: str) -> tuple[Encode, str]:
    """Return the encoder of a VAE to latents as its own decoder reads them, and its digest.

    Raises :class:`WalkbenchError` as :func:`proxies.data.encoders.load_vae`.
    """
    from proxies.data.encoders import load_vae

    vae = load_vae(name, device)
    scale, shift = (torch.tensor(factor).reshape(-1, 1, 1) for factor in (vae.scale, vae.shift))

    def encode(pictures: Tensor) -> Tensor:
        return vae.encode(to_bytes(pictures)) / scale + shift

    return encode, vae.digest


def latents_of(data: TrainingData, encode: Encode, kept: Path | None = None) -> Tensor:
    """Return the latents of all rows, (N, z, s, s); read from the file ``kept`` if it exists."""
    if kept is not None and kept.exists():
        return _read(kept, len(data))
    rows = torch.split(torch.arange(len(data)), BATCH)
    latents = torch.cat([encode(data.batch(part).x0) for part in rows])
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(kept) as partial:
            save_file({"latents": latents.contiguous()}, partial)
    return latents


def kept_at(cache: str | None, data: TrainingData, digest: str, part: str) -> Path | None:
    """Return the file for the latents of ``data`` under an encoder, None without a cache."""
    if cache is None:
        return None
    name = hashlib.sha256(f"{data.name} {data.size} {len(data)} {digest}".encode()).hexdigest()
    return Path(cache) / f"{part}-{name[:12]}.safetensors"


def _read(path: Path, rows: int) -> Tensor:
    try:
        with safe_open(path, framework="pt") as file:
            latents: Tensor = file.get_tensor("latents")
    except (OSError, SafetensorError, KeyError) as error:
        raise WalkbenchError(
            f"latents {str(path)!r} cannot be read: {error}; remove the file to encode again"
        ) from None
    if len(latents) != rows:
        raise WalkbenchError(
            f"latents {str(path)!r} are of {len(latents)} pictures, {rows} are needed; remove the "
            "file to encode again"
        )
    return latents
