"""`ReconstructionLoss`: what a decoder draws, trains on and is validated by.

Validation pictures are the same in every run, their latents too. A score has the loss of each of
them, without the discriminator's part, and PSNR and SSIM beside it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from proxies.draw import Draw
from proxies.objectives.protocol import Forward, Setup
from proxies.patch_discriminator import PatchDiscriminator, adversarial_loss
from proxies.picture_encoder import (
    FITTED_ON,
    Encode,
    kept_at,
    latents_of,
    linear_encoder,
    vae_encoder,
)
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
    """The loss of one run; see :class:`proxies.objectives.protocol.Loss`."""

    def __init__(self, setup: Setup, objective: "Reconstruction") -> None:
        self.setup, self.objective = setup, objective
        spec = getattr(setup.learner, "spec", None)
        if not isinstance(spec, DecoderSpec):
            raise WalkbenchError(
                f"objective reconstruction trains decoders; the network is of kind "
                f"{setup.run.network.kind}, use objective flow-matching"
            )
        self._check_pictures(setup, spec)
        encode, digest = self._encoder(spec)
        self.latents = latents_of(
            setup.data, encode, kept_at(objective.cache, setup.data, digest, "train")
        )
        found = self.latents.shape[1]
        if found != spec.in_channels:
            raise WalkbenchError(
                f"encoder {objective.encoder!r} gives {found} latent channels and the decoder "
                f"reads {spec.in_channels}; choose a VAE or a decoder of the other's latents"
            )
        parts = torch.split(setup.validation.pictures, BATCH)
        self.validation_latents = torch.cat([encode(part) for part in parts])
        self.perceptual = self._lpips()
        if objective.discriminator:
            judge = initialise(PatchDiscriminator(setup.data.channels), setup.run.settings.seed)
            setup.learner.add_module("discriminator", judge.to(setup.hardware.device))

    @staticmethod
    def _check_pictures(setup: Setup, spec: DecoderSpec) -> None:
        size, wanted = setup.data.size, spec.picture_size
        if setup.data.name.startswith("latents-"):
            raise WalkbenchError(
                "a cache of latents has no pictures to reconstruct; give images, and the cache's "
                'VAE as encoder: objective = {kind = "reconstruction", encoder = "…"}'
            )
        if size != wanted:
            raise WalkbenchError(f"pictures are {size} wide and the decoder makes {wanted}")

    def _encoder(self, spec: DecoderSpec) -> tuple[Encode, str]:
        name = self.objective.encoder
        if name is not None:
            return vae_encoder(name, str(self.setup.hardware.device))
        data = self.setup.data
        pictures = data.batch(torch.arange(min(FITTED_ON, len(data)))).x0
        return linear_encoder(pictures, spec.in_channels, spec.factor), "linear"

    def _lpips(self) -> "torch.jit.ScriptModule | None":
        path = self.objective.lpips
        if path is None:
            return None
        try:
            found = torch.jit.load(path, map_location=self.setup.hardware.device)  # type: ignore[no-untyped-call]
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
        losses = self.validation(self.setup.learner)
        return sum(losses) / len(losses)

    def draw(self, generator: torch.Generator) -> PictureDraw:
        """Draw pictures and their latents."""
        size, data = self.setup.run.settings.recipe.batch, self.setup.data
        rows = torch.randint(len(data), (size,), generator=generator)
        x0, text, labels = data.batch(rows)
        empty = torch.zeros(size)
        return PictureDraw(x0, empty, empty, text, labels, self.latents[rows])

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
        judge = getattr(self.setup.learner, "discriminator", None)
        with self.setup.hardware.autocast():
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

    def _decoded(self, learner: nn.Module) -> list[tuple[Tensor, Tensor]]:
        """Decode the validation latents; returns pairs of made and real pictures by batch."""
        device, pictures = self.setup.hardware.device, self.setup.validation.pictures
        found = []
        with torch.no_grad(), undisturbed(learner):
            for latents, real in zip(
                *(torch.split(rows, BATCH) for rows in (self.validation_latents, pictures)),
                strict=True,
            ):
                found.append((learner(latents.to(device)).float(), real.to(device)))
        return found
