"""`Moments`: what mean and variance of the data say about a velocity before any network does.

On the straight path ``x_t = (1 − t)·x0 + t·ε`` most of the velocity ``v = ε − x0`` follows from x_t
by arithmetic. A network that learns what this guess leaves over trains faster; whoever runs it adds
the guess again.

>>> import torch
>>> moments = Moments(mean=0.0, variance=1.0)
>>> x_t, t = torch.ones(1, 3, 4, 4), torch.tensor([1.0])
>>> moments.guess(x_t, t).unique().item()
1.0
"""

from dataclasses import dataclass

from torch import Tensor

TIME_SCALE = 1000.0  # networks read timesteps from 0 to 1000, as Stable Diffusion's do


def over(t: Tensor, x: Tensor) -> Tensor:
    """Return times (B,) in a shape that multiplies with ``x``, (B, …)."""
    return t.reshape(-1, *[1] * (x.ndim - 1))  # (B,) to (B, 1, 1, 1)


@dataclass(frozen=True)
class Moments:
    """Mean and variance of the data's values, and what follows from them for every x_t.

    As in EDM (arXiv 2206.00364, §5), for the straight path: var x_t = (1−t)²·σ² + t² and
    cov(v, x_t) = t − (1−t)·σ².
    """

    mean: float
    variance: float

    def normalised(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return x_t with mean 0 and variance 1 at every t: what a network should read."""
        t = over(t, x_t)
        return (x_t - (1 - t) * self.mean) / self._variance(t).sqrt()

    def guess(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return the best prediction of v that is linear in x_t."""
        t = over(t, x_t)
        slope = self._covariance(t) / self._variance(t)
        return slope * (x_t - (1 - t) * self.mean) - self.mean

    def residual_std(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return the standard deviation of v around :meth:`guess`, (B, 1, 1, 1)."""
        t = over(t, x_t)
        explained = self._covariance(t).square() / self._variance(t)
        return (1 + self.variance - explained).clamp(min=0).sqrt()

    def _variance(self, t: Tensor) -> Tensor:
        return (1 - t).square() * self.variance + t.square()

    def _covariance(self, t: Tensor) -> Tensor:
        return t - (1 - t) * self.variance
