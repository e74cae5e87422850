"""A moving average of the weights whose memory is a fixed share of the run so far.

EDM2's power-function profile (Karras et al. 2024, arXiv 2312.02696, §3.1): step n uses
β = (1 − 1/n)^(γ+1), so the first step forgets the initial weights altogether and the average always
reaches back over the same share σ_rel of the training. A constant decay would make a short run
measure its initialisation.

>>> round(gamma_of(0.10), 2), round(gamma_of(0.05), 2)  # the paper's values
(6.94, 16.97)
"""

import torch
from scipy.optimize import brentq
from torch import Tensor

from search_space.errors import WalkbenchError


def gamma_of(sigma_rel: float) -> float:
    """Return γ with σ_rel² = (γ+1) / ((γ+2)²·(γ+3)).

    Raises :class:`WalkbenchError` when no γ ≥ 0 has that share.
    """
    if not 0.001 <= sigma_rel <= 0.28:
        raise WalkbenchError(f"sigma_rel is {sigma_rel}; a share from 0.001 to 0.28 is allowed")
    target = sigma_rel**2
    return float(brentq(lambda g: (g + 1) / ((g + 2) ** 2 * (g + 3)) - target, 0.0, 2000.0))


class PowerEMA:
    """Averages of a list of vectors under the power-function profile."""

    def __init__(self, weights: list[Tensor], sigma_rel: float = 0.10):
        self.exponent = gamma_of(sigma_rel) + 1
        self.steps = 0
        self.averages = [weight.detach().clone() for weight in weights]

    @torch.no_grad()
    def update(self, weights: list[Tensor]) -> None:
        """Take in the weights after one more training step."""
        self.steps += 1
        beta = (1 - 1 / self.steps) ** self.exponent
        for average, weight in zip(self.averages, weights, strict=True):
            average.lerp_(weight, 1 - beta)
