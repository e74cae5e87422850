"""Calibrate a chip's estimate to one phone, by one to five networks timed on it.

A phone that somebody times is a lab that nobody has seen. The estimate's covariance says how much
labs differ and which parameters are open, so measured anchors update all of them at once: the
posterior of a Gaussian, linear in log-milliseconds. One anchor settles most of the lab's factor,
more of them settle parameters. Anchors that look like a fallback to the CPU, or are faster than the
estimate by more than three deviations, are named and count for less.

>>> from search_space.presets import named_spec
>>> anchor = Anchor("sd15", named_spec("sd15"), 1.5 * chip_model("A15").latency(
...     chip_model("A15").price_network(named_spec("sd15"), 1)).ms)
>>> calibrated = calibrate_chip("A15", [anchor])
>>> before, after = (m.latency(m.price_network(named_spec("sdxl"), 1))
...                  for m in (chip_model("A15"), calibrated.model))
>>> after.ms > before.ms, after.high / after.low < before.high / before.low
(True, True)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latency_db.device_model import DeviceModel, chip_model
from latency_db.devices import chip_of
from latency_db.fitted import shipped_fit
from latency_db.hierarchy import (
    ERROR_SD,
    FALLBACK_MEAN,
    FALLBACK_SD,
    FALLBACK_SHARE,
    FAMILY_SD,
)
from latency_db.roofline import Array
from latency_db.source import revision_of
from search_space.cost import cost
from search_space.errors import WalkbenchError
from search_space.network import Network

CONTRADICTION = 1.15  # largest over smallest time of one network, as in measured tables
SURPRISE = 3.0  # deviations below the estimate beyond which an anchor counts for less
SLIP_OF_UNITS = 100.0  # an anchor this many times off its estimate is in another unit
FITTED_GMAC = (0.05, 4000.0)  # of the published networks; outside, an anchor counts for less
COUNTS_FOR_LESS = 2.0  # times its deviation
ROUNDS = 6  # of posterior and fallback probabilities by turns; they settle in three


@dataclass(frozen=True)
class Anchor:
    """A network that was timed on the phone, batch ``batch``."""

    name: str
    network: Network
    ms: float
    batch: int = 1


@dataclass(frozen=True)
class Calibration:
    """A phone's model, and what was found about its anchors: ``notes`` name the doubtful ones."""

    model: DeviceModel
    factor: float  # measured over estimated, geometric mean
    notes: tuple[str, ...]


def calibrate_chip(device: str, anchors: Sequence[Anchor]) -> Calibration:
    """Return the model of ``device`` (a phone or a chip) after timing ``anchors``.

    Raises :class:`WalkbenchError` for no anchors, a time that is not positive or in another unit,
    and two times of one network that contradict each other.
    """
    chip = chip_of(device)
    if not anchors:
        raise WalkbenchError("a calibration needs one anchor or more; time a network first")
    model = chip_model(chip)
    merged = [_merged(group) for group in _by_network(anchors)]
    slopes, errors, sds, notes = [], [], [], []
    for anchor in merged:
        ms, slope = model.prediction(model.price_network(anchor.network, anchor.batch))
        error, expected = math.log(anchor.ms / ms), _deviation(model, slope)
        _check_unit(anchor, ms)
        doubt = _doubt(anchor, error / expected)
        if doubt:
            notes.append(f"{anchor.name}: {doubt}; it counts for less")
        slopes.append(slope)
        errors.append(error)
        sds.append(math.hypot(FAMILY_SD, ERROR_SD) * (COUNTS_FOR_LESS if doubt else 1.0))
    parts = sorted(f"{a.network.digest()} {a.batch} {a.ms!r}" for a in merged)
    revision = revision_of((model.revision, *parts))
    posterior, fallback = condition(
        model, np.array(slopes), np.array(errors), np.array(sds), revision
    )
    notes += [
        f"{anchor.name}: {anchor.ms:g} ms is slower than estimated, with a probability of "
        f"{share:.0%} because part of it ran on the CPU or the GPU; it counts for less"
        for anchor, share in zip(merged, fallback, strict=True)
        if share > 0.5
    ]
    return Calibration(posterior, math.exp(float(np.mean(errors))), tuple(notes))


def condition(
    model: DeviceModel, slopes: Array, errors: Array, sds: Array, revision: str = ""
) -> tuple[DeviceModel, Array]:
    """Return the posterior of ``model`` given log errors, (n,), of networks with ``slopes``.

    ``slopes`` is (n, 14); ``sds`` (n,) are the deviations that each network has of its own. Also
    returned, (n,): the probability that part of each network ran on the CPU or the GPU, by the
    mixture of the fit; such networks teach little.
    """
    shared = model.covariance @ slopes.T  # (14, n)
    between = slopes @ shared
    fallback = np.zeros(len(errors))
    for _ in range(ROUNDS):
        variances = sds**2 / np.maximum(1 - fallback, 1e-3)
        gain = np.linalg.solve(between + np.diag(variances), shared.T).T  # (14, n)
        left = errors - slopes @ (gain @ errors)
        spread = np.maximum(np.diag(between - slopes @ gain @ between), 0.0) + sds**2
        usual = (1 - FALLBACK_SHARE) * np.exp(-(left**2) / spread / 2) / np.sqrt(spread)
        z = (left - FALLBACK_MEAN) / FALLBACK_SD
        slow = FALLBACK_SHARE * np.exp(-(z**2) / 2) / FALLBACK_SD
        fallback = np.where(left > 0, slow / (usual + slow), 0.0)
    posterior = DeviceModel(
        model.chip,
        model.parameters * np.exp(gain @ errors),
        model.covariance - gain @ shared.T,
        shipped_fit().known_lab,
        revision,
    )
    return posterior, fallback


def _deviation(model: DeviceModel, slope: Array) -> float:
    return math.sqrt(float(slope @ model.covariance @ slope) + FAMILY_SD**2 + ERROR_SD**2)


def _by_network(anchors: Sequence[Anchor]) -> list[list[Anchor]]:
    groups: dict[tuple[str, int], list[Anchor]] = {}
    for anchor in anchors:
        if not 0 < anchor.ms < math.inf:
            raise WalkbenchError(
                f"anchor {anchor.name}: latency is {anchor.ms:g} ms; a positive number is needed"
            )
        groups.setdefault((anchor.network.digest(), anchor.batch), []).append(anchor)
    return list(groups.values())


def _merged(group: list[Anchor]) -> Anchor:
    """Return one anchor for several times of a network; raises where they contradict."""
    times = sorted(anchor.ms for anchor in group)
    if times[-1] > CONTRADICTION * times[0]:
        names = ", ".join(dict.fromkeys(anchor.name for anchor in group))
        raise WalkbenchError(
            f"anchor {names} was timed at {times[0]:g} and at {times[-1]:g} ms, which contradict "
            f"each other by more than {CONTRADICTION - 1:.0%}; time it again and keep one"
        )
    ms = math.exp(sum(map(math.log, times)) / len(times))
    return Anchor(group[0].name, group[0].network, ms, group[0].batch)


def _check_unit(anchor: Anchor, estimate_ms: float) -> None:
    factor = anchor.ms / estimate_ms
    if 1 / SLIP_OF_UNITS < factor < SLIP_OF_UNITS:
        return
    unit = "seconds" if factor < 1 else "microseconds"
    raise WalkbenchError(
        f"anchor {anchor.name}: {anchor.ms:g} ms where about {estimate_ms:,.1f} ms are expected; "
        f"the time seems to be in {unit}, give milliseconds"
    )


def _doubt(anchor: Anchor, z: float) -> str:
    """Why an anchor counts for less, or nothing."""
    gmac = cost(anchor.network).macs * anchor.batch / 1e9
    if not FITTED_GMAC[0] <= gmac <= FITTED_GMAC[1]:
        low, high = FITTED_GMAC
        return f"{gmac:.3g} GMAC is outside the fitted range of {low:g} to {high:g}"
    if z < -SURPRISE:
        return f"{-z:.1f} deviations faster than estimated"
    return ""
