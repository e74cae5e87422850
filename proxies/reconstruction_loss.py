"""`ReconstructionLoss`: what a decoder draws, trains on and is validated by.

Validation pictures are the same in every run, their latents too. A score has the loss of each of
them, without the discriminator's part, and PSNR and SSIM beside it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from proxies.data.training_data import TrainingData
from proxies.draw import Draw
from proxies.frozen_encoder import Encoder, encoder_of
from proxies.hardware import Hardware
from proxies.objectives.protocol import Forward, Setup
from proxies.patch_discriminator import PatchDiscriminator, adversarial_loss
from proxies.picture_encoder import kept_at, latents_of
from proxies.picture_losses import absolute_losses, pyramid_losses, quality
from proxies.score_parts import PictureQuality
from proxies.validation import BATCH, undisturbed
from search_space.decoder.spec import DecoderSpec
from search_space.errors import WalkbenchError
from search_space.initialise import initialise

if TYPE_CHECKING:
    from proxies.objectives.reconstruction import Reconstruction


@dataclass(frozen=True, eq=False)
class PictureDraw(Draw):
    """Pictures and their latents, (B, z, s, s); noise and times are empty."""

    latents: Tensor


class ReconstructionLoss:
    """The loss of one decoder in training; see :class:`proxies.objectives.protocol.Loss`.

    ``learner`` maps latents to pictures and has a ``spec``; a discriminator becomes a part of it.
    ``validation`` are pictures (N, C, S, S). Without ``encoder`` the objective's is taken: its VAE,
    or the best linear one. Raises :class:`WalkbenchError` where these do not fit together.
    """

    def __init__(
        self,
        objective: "Reconstruction",
        learner: nn.Module,
        data: TrainingData,
        validation: Tensor,
        hardware: Hardware,
        *,
        batch: int,
        seed: int,
        encoder: Encoder | None = None,
    ) -> None:
        self.objective, self.learner, self.data = objective, learner, data
        self.pictures, self.hardware, self.batch = validation, hardware, batch
        spec = _decoder_of(learner)
        self._check_pictures(spec)
        self.encoder = encoder or encoder_of(objective, data, spec, str(hardware.device))
        encode, digest = self.encoder.encode, self.encoder.digest
        kept = kept_at(objective.cache, data, digest, "train")
        self.latents = latents_of(data, encode, kept)
        found = self.latents.shape[1]
        if found != spec.in_channels:
            raise WalkbenchError(
                f"encoder {objective.encoder!r} gives {found} latent channels and the decoder "
                f"reads {spec.in_channels}; choose a VAE or a decoder of the other's latents"
            )
        parts = torch.split(validation, BATCH)
        self.validation_latents = torch.cat([encode(part) for part in parts])
        self.perceptual = self._lpips()
        if objective.discriminator:
            judge = initialise(PatchDiscriminator(data.channels), seed)
            learner.add_module("discriminator", judge.to(hardware.device))

    @classmethod
    def of(cls, setup: Setup, objective: "Reconstruction") -> "ReconstructionLoss":
        """Return the loss of a proxy's run."""
        settings = setup.run.settings
        return cls(
            objective,
            setup.learner,
            setup.data,
            setup.validation.pictures,
            setup.hardware,
            batch=settings.recipe.batch,
            seed=settings.seed,
        )

    def _check_pictures(self, spec: DecoderSpec) -> None:
        size, wanted = self.data.size, spec.picture_size
        if self.data.name.startswith("latents-"):
            raise WalkbenchError(
                "a cache of latents has no pictures to reconstruct; give images, and the cache's "
                'VAE as encoder: objective = {kind = "reconstruction", encoder = "…"}'
            )
        if size != wanted:
            raise WalkbenchError(f"pictures are {size} wide and the decoder makes {wanted}")

    def _lpips(self) -> "torch.jit.ScriptModule | None":
        path = self.objective.lpips
        if path is None:
            return None
        try:
            found = torch.jit.load(path, map_location=self.hardware.device)  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise WalkbenchError(
                f"LPIPS file {path!r} cannot be loaded: {first}; name a TorchScript file that "
                "takes two batches of pictures in [-1, 1]"
            ) from None
        for parameter in found.parameters():
            parameter.requires_grad_(False)
        module: torch.jit.ScriptModule = found.eval()
        return module

    @cached_property
    def start(self) -> float:
        """The validation loss of the flat picture that a decoder makes before training."""
        losses = self.validation(self.learner)
        return sum(losses) / len(losses)

    def draw(self, generator: torch.Generator) -> PictureDraw:
        """Draw pictures and their latents."""
        return self.drawn(torch.randint(len(self.data), (self.batch,), generator=generator))

    def drawn(self, rows: Tensor) -> PictureDraw:
        """Return the pictures of ``rows`` and their latents."""
        x0, text, labels = self.data.batch(rows)
        empty = torch.zeros(len(rows))
        return PictureDraw(x0, empty, empty, text, labels, self.latents[rows])

    @property
    def flat(self) -> float:
        """The loss of mid-grey pictures, to compare others with."""
        losses = self.losses(torch.zeros_like(self.pictures), self.pictures)
        return float(losses.mean())

    def losses(self, made: Tensor, real: Tensor) -> Tensor:
        """Return the loss of each picture, (B,), without the discriminator's part."""
        made = made.float()
        total = absolute_losses(made, real)
        if self.objective.edges:
            total = total + self.objective.edges * pyramid_losses(made, real)
        if self.perceptual is not None:
            found: Tensor = self.perceptual(made, real)
            total = total + self.objective.lpips_weight * found.flatten(1).mean(dim=1)
        return total

    def training(self, forward: Forward, draw: Draw) -> Tensor:
        """Return the mean loss of the pictures, with both sides of the discriminator's."""
        assert isinstance(draw, PictureDraw)
        judge = getattr(self.learner, "discriminator", None)
        with self.hardware.autocast():
            made = forward(draw.latents)
        loss = self.losses(made, draw.x0).mean()
        if judge is not None:
            weight = self.objective.discriminator
            both = adversarial_loss(judge, made.float(), draw.x0, weight)
            loss = loss + both - both.detach()  # its gradient; the value says nothing of pictures
        return loss

    def validation(self, learner: nn.Module) -> list[float]:
        """Return the loss of each validation picture."""
        losses: list[float] = []
        with torch.no_grad():
            for made, real in self._decoded(learner):
                losses += self.losses(made, real).tolist()
        return losses

    def quality(self, learner: nn.Module) -> PictureQuality:
        """Return PSNR and SSIM of the validation pictures."""
        made, real = zip(*((m.cpu(), r.cpu()) for m, r in self._decoded(learner)), strict=True)
        return quality(torch.cat(made), torch.cat(real))

    def reconstructed(self, learner: nn.Module, count: int) -> tuple[Tensor, Tensor]:
        """Return the first validation pictures as made and as they are, (N, C, S, S) each."""
        latents, real = self.validation_latents[:count], self.pictures[:count]
        with torch.no_grad(), undisturbed(learner):
            parts = [learner(part.to(self.hardware.device)) for part in torch.split(latents, BATCH)]
        return torch.cat([part.float().cpu() for part in parts]), real.cpu()

    def _decoded(self, learner: nn.Module) -> list[tuple[Tensor, Tensor]]:
        """Decode the validation latents; returns pairs of made and real pictures by batch."""
        device, pictures = self.hardware.device, self.pictures
        found = []
        with torch.no_grad(), undisturbed(learner):
            for latents, real in zip(
                *(torch.split(rows, BATCH) for rows in (self.validation_latents, pictures)),
                strict=True,
            ):
                found.append((learner(latents.to(device)).float(), real.to(device)))
        return found


def _decoder_of(learner: nn.Module) -> DecoderSpec:
    spec = getattr(learner, "spec", None)
    if not isinstance(spec, DecoderSpec):
        kind = getattr(spec, "kind", type(learner).__name__)
        raise WalkbenchError(
            f"objective reconstruction trains decoders; the network is of kind {kind}, use "
            "objective flow-matching"
        )
    return spec
