"""What a score may carry beside its loss: composition, distances, quality, a guess of more.

Plain numbers without the machinery that makes them, so that a score can be stored, sent and read
anywhere: :mod:`proxies.composition`, :mod:`proxies.distances` and :mod:`proxies.extrapolation` make
them, :class:`proxies.score.Score` carries them. Each is absent unless requested.

>>> from dataclasses import asdict
>>> guess = Extrapolated(value=0.21, low=0.20, high=0.22, at_steps=4000, points=9)
>>> Extrapolated(**asdict(guess)) == guess
True
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Composition:
    """Shares of pictures from 0 to 1; None where no prompt asks for the attribute.

    ``split`` is where the prompts come from: held-out combinations are `pairs`, numbers `counts`.

    ``strict`` allows nothing beside what is asked, ``loose`` does. ``by_task`` is the loose share
    per GenEval task. ``residual`` is the mean absolute difference, in levels of 255, between a
    picture and the re-drawing of what was read in it. ``variation`` is the total variation, 0 to 1,
    between the histograms of (shape, colour) over the objects read and over real pictures of the
    same prompts: a model that drops modes has much of it; one without a readable object has 1.
    """

    n: int
    strict: float
    loose: float
    shapes: float
    count: float | None
    color: float | None
    position: float | None
    by_task: dict[str, float]
    residual: float
    variation: float
    split: str = "validation"
    fill: float | None = None


@dataclass(frozen=True)
class Distance:
    """How far ``n`` drawn pictures are from as many real ones in one fixed feature space.

    ``frechet`` and ``kid`` are of drawn against real, ``real_frechet`` and ``real_kid`` of real
    against other real pictures of the same prompts' distribution: what a perfect model would get.
    Fréchet falls with ``n`` even then, KID does not. ``digest`` names the feature space by its
    content: distances compare within one space, one digest and one ``n`` only.
    """

    space: str
    digest: str
    dim: int
    n: int
    frechet: float
    kid: float
    real_frechet: float
    real_kid: float


@dataclass(frozen=True)
class PictureErrors:
    """What drawing in few steps and storing weights in few bits adds to a twin's error.

    Each entry is (steps or bits, mean squared error, standard error); ``studies.picture_quality``
    measures both. ``decoder`` is the mean squared error of a decoder's own twin.
    """

    steps: tuple[tuple[int, float, float], ...]
    bits: tuple[tuple[int, float, float], ...]
    decoder: float | None = None

    @classmethod
    def of(
        cls,
        steps: Sequence[Sequence[float]],
        bits: Sequence[Sequence[float]],
        decoder: float | None = None,
    ) -> Self:
        """Return the errors from lists, as JSON has them."""
        return cls(_triples(steps), _triples(bits), decoder)


def _triples(found: Sequence[Sequence[float]]) -> tuple[tuple[int, float, float], ...]:
    return tuple((int(at), error, stderr) for at, error, stderr in found)


@dataclass(frozen=True)
class PictureQuality:
    """PSNR in dB and SSIM of ``n`` decoded validation pictures against the real ones, means."""

    n: int
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Extrapolated:
    """The loss expected after ``at_steps`` steps, with an 80 % interval, from ``points`` points."""

    value: float
    low: float
    high: float
    at_steps: int
    points: int
