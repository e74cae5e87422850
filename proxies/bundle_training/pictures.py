"""`PictureTask`: a decoder learns to return pictures from the latents of a frozen encoder.

The loss is that of the objective `reconstruction`, written once
(:class:`proxies.reconstruction_loss.ReconstructionLoss`). A batch depends on seed and step alone.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxies.data.dataset import Captioned, shapes, to_bytes
from proxies.data.entries import Sample, Skipped, read_picture
from proxies.data.listing import list_pictures
from proxies.data.parts import Parts, split
from proxies.data.source import NAMES, SHAPES, DataSource
from proxies.decoder_model import DecoderLearner
from proxies.draw import Draw
from proxies.frozen_encoder import Encoder
from proxies.hardware import Hardware
from proxies.objectives.protocol import Forward
from proxies.reconstruction_loss import ReconstructionLoss
from proxies.train_config import DecoderDataConfig, DecoderTrainConfig
from proxies.validation import validation_set
from search_space.decoder.spec import DecoderSpec
from search_space.errors import WalkbenchError
from search_space.initialise import stream

_PREFIX, _JUDGE = "decoder.", "discriminator."


def load_pictures(data: str, config: DecoderDataConfig, factor: int) -> Parts[Captioned]:
    """Read the pictures that ``data`` names, ``config.picture`` pixels wide.

    A name (shapes, digits, crowd, scenes), a folder, a .tar or a pattern of tars. Raises
    :class:`WalkbenchError` where there are none, for a cache of latents, and for a side that is no
    multiple of the decoder's ``factor``.
    """
    from proxies.data.cache_index import INDEX

    size = config.picture
    if size % factor:
        raise WalkbenchError(
            f"data.picture is {size}, and a latent becomes {factor} × {factor} pixels; use a "
            f"multiple of {factor}"
        )
    if data not in NAMES and (Path(data) / INDEX).is_file():
        raise WalkbenchError(
            f"{data!r} is a cache of latents, without pictures to reconstruct; give --data the "
            "pictures, and keep their latents by --set reconstruction.cache=DIR"
        )
    if data == SHAPES:
        count, held = config.train_images, config.validation_images
        return Parts(shapes("train", count, size), shapes("validation", held, size))
    if data not in NAMES:
        return _uncaptioned(data, size)
    parts = DataSource(data=data).load(size)
    assert parts is not None
    return parts


def _uncaptioned(data: str, size: int) -> Parts[Captioned]:
    """Read pictures; what is written about them does not matter."""
    listing = list_pictures(data)
    read = [(entry, read_picture(entry, size)) for entry in listing.entries]
    samples = [Sample(e.key, picture, "") for e, picture in read if isinstance(picture, np.ndarray)]
    skipped = (*listing.skipped, *(found for _, found in read if isinstance(found, Skipped)))
    return split(samples, "pictures", 1, skipped, data, captions=False)


def decoder_learner_of(
    spec: DecoderSpec, state: dict[str, Tensor], *, fresh: bool
) -> DecoderLearner:
    """Return the learner of a decoder with its weights under Walkbench's names.

    ``fresh`` says that they are initial ones: the last convolution then starts at zero.
    """
    with torch.random.fork_rng(devices=[]):  # torch draws weights of its own before ours
        learner = DecoderLearner(spec)
    learner.decoder.load_state_dict({name: value.float() for name, value in state.items()})
    if fresh:
        torch.nn.init.zeros_(learner.readout)
    return learner


@dataclass(frozen=True, eq=False)
class PictureTask:
    """See :class:`proxies.bundle_training.task.Task`; ``learner`` reads latents at their size."""

    learner: DecoderLearner
    parts: Parts[Captioned]
    config: DecoderTrainConfig
    hardware: Hardware
    encoder: Encoder
    rank: int = 0
    processes: int = 1

    columns = ("psnr", "ssim")

    def __post_init__(self) -> None:
        _ = self._loss  # a discriminator becomes a part of the learner before weights are laid out

    @cached_property
    def _loss(self) -> ReconstructionLoss:
        config, data = self.config, self.parts.train
        count = config.data.validation_images
        held = validation_set(data.size, count, self.parts.validation).pictures
        return ReconstructionLoss(
            config.reconstruction, self.learner, data, held, self.hardware,
            batch=config.run.batch, seed=config.run.seed, encoder=self.encoder,
        )  # fmt: skip

    @cached_property
    def flat(self) -> float:
        """That of mid-grey pictures."""
        return self._loss.flat

    @property
    def data_name(self) -> str:
        """The content of the data."""
        return self.parts.train.name

    @property
    def pictures(self) -> int:
        """Those that are trained on."""
        return len(self.parts.train)

    @property
    def loss_function(self) -> ReconstructionLoss:
        """See :class:`proxies.bundle_training.task.Task`."""
        return self._loss

    def extended(self, draw: Draw, step: int) -> Draw:
        """Nothing is added."""
        return draw

    @property
    def share(self) -> int:
        """Pictures of this process in a batch."""
        return self.config.run.batch // self.processes

    def recompute(self) -> None:
        """Compute activations again in the backward pass."""
        decoder: Any = self.learner.decoder
        decoder.recomputes = True

    def draw(self, step: int) -> Draw:
        """Return this process's pictures of the batch of ``step``, with their latents."""
        run = self.config.run
        rows = torch.randint(
            self.pictures, (run.batch,), generator=stream(run.seed, f"step {step}")
        )
        draw = self._loss.drawn(rows[self.rank * self.share : (self.rank + 1) * self.share])
        channels_last = self.config.compute.channels_last
        return draw if channels_last else draw.map(Tensor.contiguous)

    def loss(self, forward: Forward, part: Draw) -> Tensor:
        """Return the mean loss of pictures, with both sides of the discriminator's."""
        return self._loss.training(forward, part)

    def validate(self) -> dict[str, float]:
        """Return the loss of the validation pictures, their PSNR in dB and their SSIM."""
        losses = self._loss.validation(self.learner)
        quality = self._loss.quality(self.learner)
        return {
            "validation_loss": sum(losses) / len(losses),
            "psnr": quality.psnr,
            "ssim": quality.ssim,
        }

    def identity(self) -> dict[str, Any]:
        """The encoder, by what it computes."""
        return {"encoder": self.encoder.digest}

    def samples(self, count: int) -> NDArray[np.uint8]:
        """Return the first validation pictures, each with its reconstruction: (2·N, S, S, 3)."""
        made, real = self._loss.reconstructed(self.learner, count)
        pairs = torch.stack([real, made], dim=1).flatten(0, 1)
        return to_bytes(pairs)

    def weights(self, averages: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the decoder's among the averaged weights of the learner."""
        return {
            name.removeprefix(_PREFIX): value.contiguous()
            for name, value in averages.items()
            if not name.startswith(_JUDGE)
        }
