"""What calibrating by a few anchors achieves, on labs and families that were left out.

Each row's lab and family are left out together; then one, two or three other networks that the same
lab timed on the same chip are given as anchors, of other families wherever the lab has them. Draws
are repeated and seeded.

>>> after = with_anchors(1, only={"lowformer"}, draws=4)
>>> len(after), after[0].anchors
(12, 1)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latency_db.calibrate import condition
from latency_db.device_model import DeviceModel
from latency_db.evidence import Item
from latency_db.fitted import NETWORK_VARIANCE, Fit, Interval
from latency_db.held_out import Group, fit_without, shared_workload
from latency_db.hierarchy import ERROR_SD, FAMILY_SD
from latency_db.roofline import milliseconds

DRAWS = 16


@dataclass(frozen=True)
class Anchored:
    """One row as predicted with ``anchors`` others of its lab, and without them."""

    item: Item
    anchors: int
    ms: float
    log_variance: float
    without_ms: float

    @property
    def error_pct(self) -> float:
        """Error with anchors, percent of the published time."""
        return abs(self.ms / self.item.latency_ms - 1) * 100

    @property
    def without_pct(self) -> float:
        """Error without anchors, percent of the published time."""
        return abs(self.without_ms / self.item.latency_ms - 1) * 100

    @property
    def z(self) -> float:
        """The error in units of what the model expected of itself."""
        return math.log(self.item.latency_ms / self.ms) / math.sqrt(self.log_variance)


def with_anchors(
    count: int,
    only: set[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[Anchored]:
    """Return ``draws`` predictions of every row whose lab has ``count`` anchors to give.

    ``only`` restricts the labs.
    """
    random = np.random.default_rng(seed)
    out = []
    for item in shared_workload().evidence.items:
        if item.ratio_only or (only is not None and item.lab not in only):
            continue
        candidates = anchors_of(item)
        if len(candidates) < count:
            continue
        fit = fit_without(Group.of(item, "both"))
        for _ in range(draws):
            picked = random.choice(len(candidates), count, replace=False)
            out.append(_predict(fit, item, [candidates[i] for i in picked]))
        if progress:
            progress(item.model)
    return out


def anchors_of(item: Item) -> list[Item]:
    """Return rows of the same lab and chip to calibrate by, of other families where there are."""
    same = [
        other
        for other in shared_workload().evidence.items
        if (other.lab, other.chip) == (item.lab, item.chip)
        and other.network != item.network
        and other.fitted
        and not other.ratio_only
    ]
    others = [other for other in same if other.family != item.family]
    return others if len(others) >= 3 else same


def _predict(fit: Fit, item: Item, anchors: list[Item]) -> Anchored:
    work, chip = shared_workload(), item.chip
    model = DeviceModel(
        chip, fit.parameters[chip], fit.new_lab_covariance(chip), Interval(-1.0, 1.0), ""
    )
    slopes, errors, sds = [], [], []
    for anchor in anchors:
        ms, gradient = milliseconds(work.of_item(anchor), model.parameters)
        slopes.append(gradient / ms)
        errors.append(math.log(anchor.latency_ms / ms))
        rounding = anchor.rounding_ms / math.sqrt(12) / anchor.latency_ms
        sds.append(math.sqrt(FAMILY_SD**2 + ERROR_SD**2 + rounding**2))
    posterior = condition(model, np.array(slopes), np.array(errors), np.array(sds))
    without, _ = milliseconds(work.of_item(item), model.parameters)
    ms, gradient = milliseconds(work.of_item(item), posterior.parameters)
    slope = gradient / ms
    variance = float(slope @ posterior.covariance @ slope) + NETWORK_VARIANCE
    return Anchored(item, len(anchors), ms, variance, without)
