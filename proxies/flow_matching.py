"""Flow matching: a straight path from picture to noise, and the velocity along it.

``x_t = (1 − t)·x0 + t·ε`` and ``v = ε − x0``: t = 0 is the picture, t = 1 is noise. The network
predicts v; training timesteps are logit-normal(0, 1) (rectified flow with the sampling of SD3,
arXiv 2403.03206). A batch takes one timestep from each of its equal shares of that distribution:
every single timestep is still logit-normal, and the loss of a batch varies less.

Most of v follows from x_t by arithmetic alone, since data and noise have known moments. A network
spends its first hundred steps on learning that; :class:`search_space.modules.moments.Moments` does
it in closed form, so that a short run is spent on what designs differ in. The loss is still that of
v.

>>> x0, noise, t = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4), torch.tensor([0.25, 1.0])
>>> interpolate(x0, noise, t)[:, 0, 0, 0].tolist()
[0.25, 1.0]
>>> quantiles(4).tolist() == sorted(quantiles(4).tolist())
True
"""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from search_space.modules.moments import TIME_SCALE, Moments, over

__all__ = [
    "TIME_SCALE",
    "Moments",
    "Velocity",
    "integrate",
    "interpolate",
    "logit_normal",
    "predicted_noise",
    "predicted_picture",
    "quantiles",
    "sample_losses",
    "stratified_times",
    "velocity",
]

Velocity = Callable[[Tensor, Tensor], Tensor]


def interpolate(x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Return x_t, (B, C, H, W), between pictures ``x0`` and ``noise`` at times ``t``, (B,)."""
    return torch.lerp(x0, noise, over(t, x0))


def velocity(x0: Tensor, noise: Tensor) -> Tensor:
    """Return the target v = ε − x0, (B, C, H, W)."""
    return noise - x0


def predicted_picture(x_t: Tensor, v: Tensor, t: Tensor) -> Tensor:
    """Return the picture that ``v`` implies at x_t: x_t − t·v."""
    return x_t - over(t, x_t) * v


def predicted_noise(x_t: Tensor, v: Tensor, t: Tensor) -> Tensor:
    """Return the noise that ``v`` implies at x_t: x_t + (1 − t)·v."""
    return x_t + (1 - over(t, x_t)) * v


def sample_losses(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error of each sample, (B,)."""
    return (predicted.float() - target).square().flatten(1).mean(dim=1)


def logit_normal(uniform: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Turn uniform numbers in (0, 1) into logit-normal times, (…)."""
    normal: Tensor = torch.special.ndtri(uniform.double())
    return (mean + std * normal).sigmoid().float()


def shifted(t: Tensor, shift: float) -> Tensor:
    """Return times moved towards noise, as larger pictures need (SD3, arXiv 2403.03206, §5.3.2).

    >>> shifted(torch.tensor([0.0, 0.5, 1.0]), 3.0).tolist()
    [0.0, 0.75, 1.0]
    """
    return shift * t / (1 + (shift - 1) * t)


def quantiles(count: int) -> Tensor:
    """Return the middles of ``count`` equal shares of all times, ascending, (count,)."""
    return logit_normal((torch.arange(count) + 0.5) / count)


def stratified_times(
    count: int, generator: torch.Generator, mean: float = 0.0, std: float = 1.0
) -> Tensor:
    """Return one random time from each of ``count`` equal shares, in random order, (count,)."""
    shares = torch.randperm(count, generator=generator)
    offsets = torch.rand(count, generator=generator)
    return logit_normal(((shares + offsets) / count).clamp(1e-6, 1 - 1e-6), mean, std)


@torch.no_grad()
def integrate(predict: Velocity, noise: Tensor, steps: int, shift: float = 1.0) -> Tensor:
    """Return pictures, (B, C, H, W), by Euler steps from ``noise`` at t = 1 to t = 0.

    ``shift`` moves the steps towards noise.

    ``predict(x_t, t)`` gives the velocity for times ``t``, (B,).
    """
    x, times = noise, torch.linspace(1, 0, steps + 1, device=noise.device)
    times = shifted(times, shift) if shift != 1 else times
    for now, following in itertools.pairwise(times):
        x = x + (following - now) * predict(x, now.expand(x.shape[0]))
    return x
