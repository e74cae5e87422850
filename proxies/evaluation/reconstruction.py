"""PSNR and SSIM of a decoder's export: pictures are encoded, decoded and compared.

The encoder is the one that the export has, unless another is named. Pictures by name are those of
the validation split, the same for everyone; of a folder it is all of them, middle squares.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxies.data.dataset import to_bytes, to_float
from proxies.evaluation.evaluate import Figure
from proxies.evaluation.picture_set import FolderSet, folder_set, procedural
from proxies.evaluation.prompt_files import OWN
from proxies.frozen_encoder import Encoder, known_encoder
from proxies.picture_encoder import vae_encoder
from proxies.picture_losses import qualities
from proxies.validation import undisturbed
from search_space.decoder.spec import DecoderSpec
from search_space.errors import WalkbenchError
from search_space.exported import read_facts
from search_space.exported_decoder import load_decoder_export

COUNT = 256  # procedural pictures, unless another number is asked for


@dataclass(frozen=True)
class Asked:
    """Which pictures are reconstructed: ``real``, at most ``count``, ``side`` pixels wide.

    ``side`` None is the one that the decoder was trained at, ``encoder`` None the export's own.
    ``to`` is a folder for the reconstructions.
    """

    real: str
    side: int | None = None
    count: int | None = None
    encoder: str | None = None
    device: str = "cpu"
    batch: int = 16
    to: Path | None = None


def evaluate_decoder(folder: Path, asked: Asked) -> tuple[list[Figure], FolderSet | None]:
    """Return the figures of the decoder in ``folder``, and the folder that was read, if one was.

    Raises :class:`WalkbenchError` for what is no export of a decoder, an encoder that is not known
    or of other latents, a side that is no multiple of the decoder's factor, and no pictures.
    """
    network = load_decoder_export(folder).float().eval()
    spec: DecoderSpec = network.network  # type: ignore[assignment]  # of a decoder's export
    facts = read_facts(folder) or {}
    side = asked.side or facts.get("trained", {}).get("picture") or spec.picture_size
    if side % spec.factor:
        raise WalkbenchError(
            f"--size is {side}, and the decoder makes pictures of {spec.factor} times its latents; "
            f"use a multiple of {spec.factor}"
        )
    encoder = _encoder(folder, facts, asked)
    pictures, source = _pictures(asked, side)
    network.to(asked.device)
    found: tuple[list[Tensor], list[Tensor]] = ([], [])
    if asked.to is not None:
        asked.to.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), undisturbed(network):
        for number, batch in enumerate(_batched(pictures, asked.batch)):
            real = to_float(batch)
            latents = encoder.encode(real)
            if latents.shape[1] != spec.in_channels:
                raise WalkbenchError(
                    f"the encoder gives {latents.shape[1]} latent channels and the decoder reads "
                    f"{spec.in_channels}; name the decoder's own with --encoder"
                )
            made = network(latents.to(asked.device)).float().cpu()
            for values, one in zip(found, qualities(made, real), strict=True):
                values.append(one)
            if asked.to is not None:
                _save(asked.to, number * asked.batch, to_bytes(made))
    if not found[0]:
        raise WalkbenchError(f"{asked.real!r} has no readable picture; name others with --real")
    figures = [
        _figure(name, torch.cat(values), spec.digest())
        for name, values in zip(("PSNR", "SSIM"), found, strict=True)
    ]
    return [Figure("pictures", float(figures[0].n), None, figures[0].n), *figures], source


def _encoder(folder: Path, facts: dict[str, Any], asked: Asked) -> Encoder:
    if asked.encoder is not None:
        return Encoder(*vae_encoder(asked.encoder, asked.device))
    found = known_encoder(folder, facts, asked.device)
    if found is None:
        was = facts.get("trained", {}).get("encoder")
        raise WalkbenchError(
            f"{str(folder)!r} has a decoder without its encoder"
            f"{f', which was {was!r}' if was else ''}; name a VAE with --encoder"
        )
    return found


def _pictures(asked: Asked, side: int) -> tuple[Iterator[NDArray[np.uint8]], FolderSet | None]:
    """Yield pictures (side, side, 3), at most as many as are asked for."""
    if asked.real in OWN:
        count = asked.count or COUNT
        return _single(procedural(asked.real, count, 0).batches(side), count), None
    if asked.real == "digits":
        from proxies.data.digits import digits

        held = digits(side).validation.images
        return iter(held[: asked.count]), None
    source = folder_set(asked.real)
    return _single(source.batches(side), asked.count), source


def _single(batches: Iterator[NDArray[np.uint8]], count: int | None) -> Iterator[NDArray[np.uint8]]:
    return itertools.islice(itertools.chain.from_iterable(batches), count)


def _batched(pictures: Iterator[NDArray[np.uint8]], size: int) -> Iterator[NDArray[np.uint8]]:
    while held := list(itertools.islice(pictures, size)):
        yield np.stack(held)


def _save(folder: Path, first: int, pictures: NDArray[np.uint8]) -> None:
    from PIL import Image

    for i, picture in enumerate(pictures, start=first):
        Image.fromarray(picture).save(folder / f"{i:05}.png")


def _figure(name: str, values: Tensor, digest: str) -> Figure:
    error = float(values.std() / len(values) ** 0.5) if len(values) > 1 else None
    return Figure(name, float(values.mean()), error, len(values), digest=digest)
