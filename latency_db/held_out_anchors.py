"""What calibrating by a few anchors achieves, on labs and families that were left out.

Each row's lab and family are left out together; then one, two or three other networks that the same
lab timed on the same chip are given as anchors, of other families wherever the lab has them. Draws
are repeated and seeded.

>>> after = with_anchors(1, only={"lowformer"}, draws=4)
>>> len(after), after[0].anchors
(12, 1)
"""

import math
from dataclasses import dataclass

import numpy as np

from latency_db.anchors import most_telling
from latency_db.calibrate import condition
from latency_db.device_model import DeviceModel
from latency_db.evidence import Item
from latency_db.fitted import NETWORK_VARIANCE, Fit, Interval
from latency_db.held_out import Group, fit_without, shared_workload
from latency_db.roofline import Array, milliseconds

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
    count: int, only: set[str] | None = None, draws: int = DRAWS, seed: int = 0
) -> list[Anchored]:
    """Return ``draws`` predictions of every row whose lab has ``count`` anchors to give.

    ``draws`` 0 predicts each row once, by the anchors that teach most about it. ``only`` restricts
    the labs.
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
        if draws == 0:
            out.append(_predict(fit, item, _most_telling(fit, item, candidates, count)))
        for _ in range(draws):
            picked = random.choice(len(candidates), count, replace=False)
            out.append(_predict(fit, item, [candidates[i] for i in picked]))
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


def _most_telling(fit: Fit, item: Item, candidates: list[Item], count: int) -> list[Item]:
    """Choose anchors one by one, each the one that leaves ``item`` the least variance."""
    model = _model(fit, item.chip)
    _, target = _slope(item, model.parameters)
    slopes = np.array([_slope(other, model.parameters)[1] for other in candidates])
    chosen = most_telling(model.covariance, slopes, target[None], count)
    return [candidates[i] for i, _ in chosen]


def _model(fit: Fit, chip: str) -> DeviceModel:
    covariance = fit.new_lab_covariance(chip)
    return DeviceModel(chip, fit.parameters[chip], covariance, Interval(-1.0, 1.0), "")


def _slope(item: Item, parameters: Array) -> tuple[float, Array]:
    ms, gradient = milliseconds(shared_workload().of_item(item), parameters)
    return ms, gradient / ms


def _predict(fit: Fit, item: Item, anchors: list[Item]) -> Anchored:
    model = _model(fit, item.chip)
    told = [_slope(anchor, model.parameters) for anchor in anchors]
    errors = [math.log(a.latency_ms / ms) for a, (ms, _) in zip(anchors, told, strict=True)]
    rounding = np.array([a.rounding_ms / math.sqrt(12) / a.latency_ms for a in anchors])
    sds = np.sqrt(NETWORK_VARIANCE + rounding**2)
    posterior, _ = condition(model, np.array([slope for _, slope in told]), np.array(errors), sds)
    without, _ = _slope(item, model.parameters)
    ms, slope = _slope(item, posterior.parameters)
    variance = float(slope @ posterior.covariance @ slope) + NETWORK_VARIANCE
    return Anchored(item, len(anchors), ms, variance, without)
