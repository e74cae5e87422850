"""Predict every published row by a model that never saw its family, or never saw its lab.

A family is left out on every chip at once, and SnapGen takes the design walk with it: a network
that several labs measured stays on one side of every split. The baseline is fitted anew to the same
rows of each split. Nothing here looks at the result.

>>> held = leave_out("lab", only={"snapgen"})
>>> [(row.item.model, row.item.chip) for row in held]
[('SnapGen UNet', 'A18 Pro')]
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from latency_db.baseline import fit_baseline, predict_baseline
from latency_db.evidence import Evidence, Item, Pair, published_evidence
from latency_db.fitted import LAB_SD, Fit
from latency_db.roofline import Array
from latency_db.roofline_fit import Workload, fit_roofline

Grouping = Literal["family", "lab"]

_BASELINE_ROWS = 10  # fewer rows of a chip than this do not make a baseline of three coefficients


@dataclass(frozen=True)
class Held:
    """One row and what models without its group say. ``baseline_ms`` NaN: no baseline there."""

    item: Item
    ms: float
    log_variance: float
    baseline_ms: float

    @property
    def log_error(self) -> float:
        """Logarithm of published over predicted."""
        return math.log(self.item.latency_ms / self.ms)

    @property
    def z(self) -> float:
        """The error in units of what the model expected of itself."""
        return self.log_error / math.sqrt(self.log_variance + LAB_SD**2)


@dataclass(frozen=True)
class HeldPair:
    """One published ratio and what a model without its group says."""

    pair: Pair
    ratio: float


@lru_cache(maxsize=1)
def shared_workload() -> Workload:
    """Return the loads of the shipped evidence, prepared once."""
    return Workload(published_evidence())


def leave_out(
    by: Grouping, only: set[str] | None = None, progress: Callable[[str], None] | None = None
) -> list[Held]:
    """Return every rebuilt row as predicted without its family or lab; a second per group.

    ``only`` restricts the groups, ``progress`` is told each group's name as it is done.
    """
    work = shared_workload()
    held: list[Held] = []
    for group in _groups(work.evidence, by, only):
        fit = fit_without(by, group)
        items = [
            item
            for item in work.evidence.items
            if getattr(item, by) == group and not item.ratio_only
        ]
        held += [_held(work, fit, item, by) for item in items]
        if progress:
            progress(group)
    return held


def leave_out_pairs(only: set[str] | None = None) -> list[HeldPair]:
    """Return every published ratio as predicted without its family."""
    work = shared_workload()
    pairs = [pair for pair in work.evidence.pairs if only is None or pair.family in only]
    return [
        HeldPair(pair, predict_pair(fit_without("family", pair.family), pair)) for pair in pairs
    ]


def predict_pair(fit: Fit, pair: Pair) -> float:
    """Return the ratio that ``fit`` gives to a published one."""
    a, b = shared_workload().of_pair(pair)
    return fit.predict(a, pair.chip)[0] / fit.predict(b, pair.chip)[0]


@lru_cache(maxsize=128)
def fit_without(by: Grouping, group: str) -> Fit:
    """Return the fit to everything but ``group``; cached, as rows and ratios ask for the same."""
    work = shared_workload()
    return fit_roofline(work.evidence, lambda one: getattr(one, by) != group, work)


def _groups(evidence: Evidence, by: Grouping, only: set[str] | None) -> list[str]:
    names = dict.fromkeys(getattr(item, by) for item in evidence.items)
    return [name for name in names if only is None or name in only]


def _held(work: Workload, fit: Fit, item: Item, by: Grouping) -> Held:
    ms, variance = fit.predict(work.of_item(item), item.chip)
    return Held(item, ms, variance, _baseline(work, item, by))


def _baseline(work: Workload, item: Item, by: Grouping) -> float:
    """Predict by `a + b·GMAC + c·Mparam`, fitted to the chip's classifiers in the same split."""
    coefficients = _baseline_without(item.chip, by, getattr(item, by))
    if coefficients is None:
        return math.nan
    sizes = np.array([[item.gmac, item.mparam]])
    return float(predict_baseline(coefficients, sizes)[0])


@lru_cache(maxsize=512)
def _baseline_without(chip: str, by: Grouping, group: str) -> Array | None:
    """Fit robustly and with the same weights as the roofline, so that the race is fair."""
    work = shared_workload()
    rows = [
        item
        for item in work.evidence.items
        if item.chip == chip and item.fitted and not item.is_unet and getattr(item, by) != group
    ]
    if len(rows) < _BASELINE_ROWS:
        return None
    sizes = np.array([[item.gmac, item.mparam] for item in rows])
    latency = np.array([item.latency_ms for item in rows])
    weights = np.array([work.weight[item.row] for item in rows])
    return fit_baseline(sizes, latency, weights)
