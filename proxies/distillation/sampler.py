"""Samplers of few steps: a student's picture is re-noised to the next time, not integrated.

>>> x0 = torch.full((1, 3, 2, 2), 0.5)
>>> exact = lambda x_t, t: (x_t - x0) / over(t, x_t)
>>> renoised(exact, torch.zeros(1, 3, 2, 2), 4, torch.Generator().manual_seed(0)).unique().item()
0.5
"""

import torch
from torch import Tensor

from proxies.flow_matching import Velocity, interpolate, predicted_picture
from search_space.modules.moments import over

STEPS = (1, 2, 4, 8, 28)  # at which few-step students are compared

__all__ = ["STEPS", "over", "renoised"]


@torch.no_grad()
def renoised(predict: Velocity, noise: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    """Return pictures, (B, C, H, W): x̂0 = x_t − t·v at t = 1, 1 − 1/steps, …, re-noised between.

    Noise comes from ``generator``, on the CPU.
    """
    x, picture = noise, noise
    for i in range(steps):
        t = torch.full((len(x),), 1 - i / steps, device=x.device)
        picture = predicted_picture(x, predict(x, t), t)
        if i + 1 < steps:
            fresh = torch.randn(x.shape, generator=generator).to(x.device)
            x = interpolate(picture, fresh, t - 1 / steps)
    return picture
