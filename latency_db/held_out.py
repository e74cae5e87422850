"""Predict published rows by a model that never saw their family, their lab, or either.

"both" leaves out a row's lab and its family together: the situation of a user, who is a new lab
and times a new family. "family" keeps the lab and predicts as timed by it. A family is left out on
every chip at once, and SnapGen takes the design walk with it. The baseline is fitted anew to the
same rows of each split.

>>> held = leave_out("lab", only={"snapgen"})
>>> [(row.item.model, row.item.chip) for row in held]
[('SnapGen UNet', 'A18 Pro')]
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from latency_db.baseline import fit_baseline, predict_baseline
from latency_db.evidence import Item, Pair, published_evidence
from latency_db.fitted import Fit
from latency_db.roofline import Array
from latency_db.roofline_fit import Workload, fit_roofline

Grouping = Literal["both", "family", "lab"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)

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
        return self.log_error / math.sqrt(self.log_variance)


@dataclass(frozen=True)
class HeldPair:
    """One published ratio and what a model without its family says."""

    pair: Pair
    ratio: float


@dataclass(frozen=True)
class Group:
    """Rows that are left out together: those of a lab, of a family, or of either."""

    lab: str | None
    family: str | None

    def __contains__(self, one: object) -> bool:
        assert isinstance(one, (Item, Pair))
        return one.lab == self.lab or one.family == self.family

    @classmethod
    def of(cls, item: Item, by: Grouping) -> "Group":
        """Return the group of ``item``."""
        return cls(
            None if by == "family" else item.lab,
            None if by == "lab" else item.family,
        )

    def __str__(self) -> str:
        return " and ".join(name for name in (self.lab, self.family) if name is not None)


@lru_cache(maxsize=1)
def shared_workload() -> Workload:
    """Return the loads of the shipped evidence, prepared once."""
    return Workload(published_evidence())


def leave_out(
    by: Grouping, only: set[str] | None = None, progress: Callable[[str], None] | None = None
) -> list[Held]:
    """Return every rebuilt row as predicted without its group; a second per group.

    ``only`` restricts the labs or families, ``progress`` is told each group's name as it is done.
    """
    groups: dict[Group, list[Item]] = {}
    for item in shared_workload().evidence.items:
        if not item.ratio_only:
            groups.setdefault(Group.of(item, by), []).append(item)
    held: list[Held] = []
    for group, items in groups.items():
        if only is None or {group.lab, group.family} & only:
            held += [_held(group, item, by) for item in items]
            if progress:
                progress(str(group))
    return held


def leave_out_pairs(only: set[str] | None = None) -> list[HeldPair]:
    """Return every published ratio as predicted without its family."""
    pairs = shared_workload().evidence.pairs
    return [
        HeldPair(pair, predict_pair(fit_without(Group(None, pair.family)), pair))
        for pair in pairs
        if only is None or pair.family in only
    ]


def predict_pair(fit: Fit, pair: Pair) -> float:
    """Return the ratio that ``fit`` gives to a published one."""
    a, b = shared_workload().of_pair(pair)
    return fit.predict(a, pair.chip)[0] / fit.predict(b, pair.chip)[0]


@lru_cache(maxsize=256)
def fit_without(group: Group) -> Fit:
    """Return the fit to everything outside ``group``; cached, as rows and ratios share it."""
    work = shared_workload()
    return fit_roofline(work.evidence, lambda one: one not in group, work)


def _held(group: Group, item: Item, by: Grouping) -> Held:
    fit, work = fit_without(group), shared_workload()
    lab = item.lab if by == "family" else None
    ms, variance = fit.predict(work.of_item(item), item.chip, lab)
    coefficients = _baseline_without(item.chip, group)
    baseline = math.nan
    if coefficients is not None:
        sizes = np.array([[item.gmac, item.mparam]])
        baseline = float(predict_baseline(coefficients, sizes)[0])
    return Held(item, ms, variance, baseline)


@lru_cache(maxsize=1024)
def _baseline_without(chip: str, group: Group) -> Array | None:
    """Fit `a + b·GMAC + c·Mparam` robustly to the chip's classifiers and encoders."""
    rows = [
        item
        for item in shared_workload().evidence.items
        if item.chip == chip and item.fitted and not item.is_unet and item not in group
    ]
    if len(rows) < _BASELINE_ROWS:
        return None
    sizes = np.array([[item.gmac, item.mparam] for item in rows])
    return fit_baseline(sizes, np.array([item.latency_ms for item in rows]))
