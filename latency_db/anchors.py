"""Which networks to time on a new phone, so that they teach its estimate most.

The fit says what it does not know of a device: a covariance, 14 × 14, of the logarithms of its
parameters. A network that is timed is one linear observation of them, with the network's own
variance. Anchors are chosen one by one, each the candidate after which the intervals of the
networks that matter are narrowest in the median, given the anchors before it (V-optimality, greedy;
no measured time enters).

>>> lessons = best_anchors("A15", anchor_candidates(), count=2)
>>> len(lessons), lessons[0].spread > lessons[1].spread
(2, True)
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latency_db.device_model import chip_model
from latency_db.devices import DEVICES, chip_of
from latency_db.fitted import NETWORK_VARIANCE, shipped_fit
from latency_db.packages.phone_check import MEMORY_GB, app_memory, needed_memory
from latency_db.roofline import Array
from search_space.network import Network
from search_space.presets import all_named, named_spec
from search_space.resize import resized

# Small enough to convert and time in minutes, at three latent sizes.
DESIGNS = ("sd15", "M/thin", "M/mqa", "F/thin", "F/ffn-3", "snapgen-t2i")
LATENTS = (32, 64, 128)


@dataclass(frozen=True)
class Candidate:
    """A named design at a latent size, as a CSV of anchors names it."""

    spec: str
    latent: int

    @property
    def network(self) -> Network:
        """The design at this size."""
        return resized(named_spec(self.spec), latent=self.latent)


@dataclass(frozen=True)
class Lesson:
    """A network to time: how wide the interval of other networks is once it has been timed."""

    name: str
    estimate_ms: float
    spread: float  # high over low of the interval, median over the targets


def anchor_candidates() -> dict[str, Network]:
    """Return the networks that anchors are chosen from, by names such as ``M/mqa@64``."""
    return {name: candidate.network for name, candidate in named_candidates().items()}


def named_candidates() -> dict[str, Candidate]:
    """Return the candidates by name."""
    return {f"{spec}@{latent}": Candidate(spec, latent) for spec in DESIGNS for latent in LATENTS}


def best_anchors(
    device: str,
    candidates: Mapping[str, Network],
    targets: Sequence[Network] = (),
    count: int = 3,
) -> list[Lesson]:
    """Return the ``count`` candidates that narrow the intervals of ``targets`` most, best first.

    Without ``targets`` the named designs are meant. Each next one is chosen given those before it.
    """
    model = chip_model(chip_of(device))
    names = sorted(candidates)
    priced = [model.prediction(model.price_network(candidates[name], 1)) for name in names]
    wanted = [
        model.prediction(model.price_network(target, 1))[1]
        for target in targets or list(all_named().values())
    ]
    interval = shipped_fit().known_lab
    chosen = most_telling(
        model.covariance, np.array([slope for _, slope in priced]), np.array(wanted), count
    )
    return [
        Lesson(names[i], priced[i][0], math.exp((interval.high_z - interval.low_z) * deviation))
        for i, deviation in chosen
    ]


def most_telling(
    covariance: Array,
    slopes: Array,
    targets: Array,
    count: int,
    own_variance: float = NETWORK_VARIANCE,
) -> list[tuple[int, float]]:
    """Choose rows of ``slopes``, (n, p), by what observing them leaves open of ``targets``, (m, p).

    Returns, in the order chosen, each row's index and the median deviation of the targets after it.
    ``covariance`` is (p, p); a row s is observed with the variance ``own_variance`` of its own, so
    that t'Σt falls by (t'Σs)² / (s'Σs + own). Ties go to the first row.
    """
    chosen: list[tuple[int, float]] = []
    left = list(range(len(slopes)))
    while left and len(chosen) < count:
        shared = targets @ covariance @ slopes[left].T  # (m, n)
        told = np.einsum("ij,jk,ik->i", slopes[left], covariance, slopes[left]) + own_variance
        before = np.einsum("ij,jk,ik->i", targets, covariance, targets) + own_variance  # (m,)
        deviations = np.median(np.sqrt(before[:, None] - shared**2 / told), axis=0)  # (n,)
        best = int(np.argmin(deviations))
        chosen.append((left[best], float(deviations[best])))
        direction = covariance @ slopes[left[best]]
        covariance = covariance - np.outer(direction, direction) / told[best]
        del left[best]
    return chosen


def fits(network: Network, device: str) -> bool:
    """Whether an app on ``device`` holds ``network`` at half precision; yes where nobody knows."""
    known = chip_of(device) in {DEVICES[name] for name in MEMORY_GB}
    return not known or needed_memory(network, 16) <= app_memory(device)
