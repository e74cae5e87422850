"""Laws that learning curves fall by: what :mod:`proxies.extrapolation` fits.

A law is ``floor · h(x) + drop · g(x)`` with x the steps over the last step seen. g falls to zero:
as a power, as an exponential, or as a power after a plateau (Domhan et al., IJCAI 2015, use these
and more). h is 1, or sinks as a slow power: a short curve does not tell a floor from a slow fall.

>>> import numpy as np
>>> LAWS[0].shape(np.array([0.25, 1.0]), np.array([[math.log(0.5)]])).round(3).tolist()
[[2.0, 1.0]]
>>> len(LAWS), LAWS[3].floor(np.array([4.0]), np.array([[0.0, 0.5]])).tolist()
(6, [[0.5]])
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """A shape g(x; θ) that falls to zero; x is steps over the last step, θ lies in a box.

    Where ``sinks``, the last axis of the box is the exponent with which the floor itself falls.
    """

    shape: Callable[[Floats, Floats], Floats]  # x (n,), θ (J, axes) to (J, n)
    box: tuple[tuple[float, float], ...]
    sinks: bool = False

    def floor(self, x: Floats, theta: Floats) -> Floats:
        """Return the floor over its value at the last point, (J, n)."""
        exponent = theta[:, -1:] if self.sinks else np.zeros((len(theta), 1))
        out: Floats = x**-exponent
        return out


def _power(x: Floats, theta: Floats) -> Floats:
    out: Floats = x ** -np.exp(theta[:, :1])
    return out


def _exponential(x: Floats, theta: Floats) -> Floats:
    out: Floats = np.exp(-np.exp(theta[:, :1]) * (x - 1))
    return out


def _delayed_power(x: Floats, theta: Floats) -> Floats:
    """Flat until x0 = exp(θ₁), then x to the power −exp(θ₀)."""
    exponent, start = np.exp(theta[:, :1]), np.exp(theta[:, 1:2])
    out: Floats = special.expit(exponent * (np.log(start) - np.log(x)))
    return out


_LOG = math.log
_EXPONENT = (_LOG(0.05), _LOG(4))
_RATE = (_LOG(0.1), _LOG(30))
_DELAY = (_LOG(0.02), _LOG(2))
_SINKING = (0.0, 0.6)
LAWS = (
    Law(_power, (_EXPONENT,)),
    Law(_exponential, (_RATE,)),
    Law(_delayed_power, (_EXPONENT, _DELAY)),
    Law(_power, (_EXPONENT, _SINKING), sinks=True),
    Law(_exponential, (_RATE, _SINKING), sinks=True),
    Law(_delayed_power, (_EXPONENT, _DELAY, _SINKING), sinks=True),
)
