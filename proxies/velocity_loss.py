"""`VelocityLoss`: what flow matching draws, trains on and is validated by.

Other objectives that start from the same draws (distillation, for one) extend it by another
:meth:`VelocityLoss.training`; their validation losses then compare with those of flow matching.
"""

import torch
from torch import Tensor, nn

from proxies.draw import Draw
from proxies.flow_matching import interpolate, sample_losses, stratified_times, velocity
from proxies.hardware import Hardware
from proxies.objectives.protocol import Forward, Setup
from proxies.validation import validation_losses
from search_space.errors import WalkbenchError


def velocity_error(forward: Forward, draw: Draw, hardware: Hardware) -> Tensor:
    """Return the mean squared error of the velocity that ``forward`` predicts; differentiable, ().

    The loss of flow matching, of proxies and of `walkbench train`. ``forward`` gets noisy pictures
    (B, C, H, W), times (B,) in [0, 1], text and labels.
    """
    x_t = interpolate(draw.x0, draw.noise, draw.t)
    with hardware.autocast():
        predicted = forward(x_t, draw.t, draw.text, draw.labels)
    return sample_losses(predicted, velocity(draw.x0, draw.noise)).mean()


class VelocityLoss:
    """The loss of flow matching for one run; see :class:`proxies.objectives.protocol.Loss`."""

    def __init__(self, setup: Setup) -> None:
        predicts = getattr(setup.learner, "predicts", "velocity")
        if predicts != "velocity":
            raise WalkbenchError(
                f"this objective trains networks that predict a velocity, and one of kind "
                f"{setup.run.network.kind} predicts a {predicts}; use objective reconstruction"
            )
        self.setup = setup
        self.start = setup.validation.loss_of_guess(setup.data.moments)

    def draw(self, generator: torch.Generator) -> Draw:
        """Draw pictures, noise and stratified times of one step."""
        size, data = self.setup.run.settings.recipe.batch, self.setup.data
        rows = torch.randint(len(data), (size,), generator=generator)
        x0, text, labels = data.batch(rows)  # (B, C, S, S), (B, T) or (B, T, W), (B,)
        noise = torch.randn(x0.shape, generator=generator)
        noise = noise.contiguous(memory_format=torch.channels_last)
        t = stratified_times(size, generator)  # (B,)
        return self.extended(Draw(x0, noise, t, text, labels), generator)

    def extended(self, draw: Draw, generator: torch.Generator) -> Draw:
        """Return ``draw`` with what else the loss needs: a teacher's answers, more noise."""
        return draw

    def training(self, forward: Forward, draw: Draw) -> Tensor:
        """Return the mean squared error of the velocity."""
        return velocity_error(forward, draw, self.setup.hardware)

    def validation(self, learner: nn.Module) -> list[float]:
        """Return the squared error of the velocity for each validation sample."""
        return validation_losses(learner, self.setup.validation)
