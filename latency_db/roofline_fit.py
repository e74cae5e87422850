"""Fit the roofline to published evidence: all chips at once, robustly, in log space.

Chips share what their data cannot separate. A chip's parameters are

    log θ(chip, k) = log θ(k) + scale(chip) + deviation(chip, k)

with a prior on each term: the common parameters around their starting points, the scale around the
ratio of stated TOPS, the deviations around zero (around the ratio of memory bandwidths for what
memory decides). A14 and A15 have rows enough to deviate; A16, A17 Pro and A18 Pro borrow from them.

Residuals are log-ratios with a Cauchy loss, weighted by how far their lab usually is from others
and by how coarsely it printed. Published ratios (the design walk, ablations) enter as residuals of
their own. The curvature at the optimum gives each chip's parameters a covariance, and with it every
estimate a share of its interval.

>>> from latency_db.evidence import published_evidence
>>> fit = fit_roofline(published_evidence())
>>> bool(0.3 < fit.parameters["A14"][0] < 0.6)  # the floor, ms
True
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from latency_db.devices import CHIPS, IPAD_CHIPS
from latency_db.evidence import Evidence, Item, Pair, lab_spread
from latency_db.fitted import Fit
from latency_db.roofline import (
    NAMES,
    PARAMETERS,
    START,
    Array,
    Loads,
    Setting,
    loads,
    operator_milliseconds,
)

ALL_CHIPS = {**CHIPS, **IPAD_CHIPS}
REFERENCE = "A15"

RESIDUAL_SD = 0.2  # log-ratio at which the Cauchy loss begins to let go of a row
COMMON_SD = 0.5  # of the common log-parameters around their starting points
SCALE_SD = 0.25  # of a chip's log-scale around the ratio of stated TOPS
DEVIATION_SD = 0.15  # of a chip's deviations
TYPICAL_SPREAD = 0.1  # between labs; a row of this spread has half the weight of a perfect one
PAIR_WEIGHT = 0.5  # the walk's two reconstructions together count as one

_K = len(NAMES)
_CHIP_NAMES = tuple(ALL_CHIPS)


class Workload:
    """Loads of every (network, chip, setting) of the evidence, made once for all folds."""

    def __init__(self, evidence: Evidence):
        self.evidence = evidence
        self.weight = _weights(evidence.items)
        self._cache: dict[tuple[str, str, Setting], Loads] = {}

    def of(self, network: str, chip: str, setting: Setting) -> Loads:
        """Return the loads of a network of the evidence on a chip."""
        key = (network, chip, setting)
        if key not in self._cache:
            ops = self.evidence.networks[network]
            self._cache[key] = loads(ops, ALL_CHIPS[chip].on_chip_mb, setting)
        return self._cache[key]

    def of_item(self, item: Item) -> Loads:
        """Return the loads behind a published row."""
        return self.of(item.network, item.chip, item.setting)

    def of_pair(self, pair: Pair) -> tuple[Loads, Loads]:
        """Return the loads on both sides of a published ratio."""
        (a, b), (setting_a, setting_b) = pair.networks, pair.settings
        return self.of(a, pair.chip, setting_a), self.of(b, pair.chip, setting_b)


def _weights(items: tuple[Item, ...]) -> dict[int, float]:
    """Weight of each row: less for a lab that others do not confirm, less for coarse rounding."""
    spread = lab_spread(items)
    weights = {}
    for item in items:
        rounding = item.rounding_ms / math.sqrt(12) / item.latency_ms
        noise = spread[item.lab] ** 2 + rounding**2
        weights[item.row] = 2 / (1 + noise / TYPICAL_SPREAD**2)
    return weights


def fit_roofline(
    evidence: Evidence,
    keep: Callable[[Item | Pair], bool] = lambda _: True,
    workload: Workload | None = None,
    start: Array = START,
) -> Fit:
    """Fit every chip to the evidence that ``keep`` keeps; a second or less.

    ``workload`` shares prepared loads between folds; ``start`` centres the common priors.
    """
    work = workload or Workload(evidence)
    items = [item for item in evidence.items if item.fitted and keep(item)]
    pairs = [pair for pair in evidence.pairs if keep(pair)]
    stack = _Stack(work, items, pairs)
    prior, sd = _priors(start)
    count = len(items) + len(pairs)

    def residuals(packed: Array) -> Array:
        values, _ = stack.residuals(_unpack(packed))
        return np.concatenate([values, (packed - prior) / sd])

    def jacobian(packed: Array) -> Array:
        _, slopes = stack.residuals(_unpack(packed))
        return np.vstack([_spread_slopes(slopes, stack.chips), np.diag(1 / sd)])

    def loss(z: Array) -> Array:
        """Cauchy for the data, plain squares for the priors."""
        rho = np.vstack([z, np.ones_like(z), np.zeros_like(z)])
        data = z[:count]
        rho[:, :count] = np.log1p(data), 1 / (1 + data), -1 / (1 + data) ** 2
        return rho

    found: Any = least_squares(
        residuals,
        prior,
        jacobian,
        loss=loss,
        max_nfev=60,
        xtol=1e-5,
        ftol=1e-5,
    )
    return _result(found.x, found.jac)


class _Stack:
    """All residuals as one stacked product: a fit evaluates them hundreds of times."""

    def __init__(self, work: Workload, items: list[Item], pairs: list[Pair]):
        parts = [work.of_item(item) for item in items]
        for pair in pairs:
            parts += work.of_pair(pair)
        self.compute = np.concatenate([part.compute for part in parts])
        self.traffic = np.concatenate([part.traffic for part in parts])
        self.counts = np.concatenate([part.counts for part in parts])
        sizes = [len(part.counts) for part in parts]
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        owners = [item.chip for item in items] + [p.chip for p in pairs for _ in range(2)]
        index = np.array([_CHIP_NAMES.index(chip) for chip in owners])
        self.row_chips = np.repeat(index, sizes)
        self.n = len(items)
        self.chips = np.concatenate([index[: self.n], index[self.n :: 2]])
        self.target = np.log([item.latency_ms for item in items] + [pair.ratio for pair in pairs])
        weights = [work.weight[item.row] for item in items] + [PAIR_WEIGHT] * len(pairs)
        self.scale = np.sqrt(weights) / RESIDUAL_SD

    def residuals(self, log_parameters: Array) -> tuple[Array, Array]:
        """Return weighted log-residuals, (m,), and their slopes by log-parameters, (m, 13)."""
        theta = np.exp(log_parameters)[self.row_chips]
        whole = Loads(self.compute * theta, self.traffic * theta, self.counts)
        per_row, slope = operator_milliseconds(whole, np.ones(_K))  # theta is multiplied in
        ms = np.add.reduceat(per_row, self.starts)
        gradient = np.add.reduceat(slope, self.starts) / ms[:, None]
        log_ms, n = np.log(ms), self.n
        values = np.concatenate([log_ms[:n], log_ms[n::2] - log_ms[n + 1 :: 2]])
        slopes = np.concatenate([gradient[:n], gradient[n::2] - gradient[n + 1 :: 2]])
        return (values - self.target) * self.scale, slopes * self.scale[:, None]


def _unpack(packed: Array) -> Array:
    """Return log-parameters, (chips, 13), from common (13), scales (chips), deviations."""
    chips = len(_CHIP_NAMES)
    common, scale = packed[:_K], packed[_K : _K + chips]
    return common + scale[:, None] + packed[_K + chips :].reshape(chips, _K)


def _priors(start: Array) -> tuple[Array, Array]:
    reference = ALL_CHIPS[REFERENCE]
    scale = np.log([reference.fp16_tops / chip.fp16_tops for chip in ALL_CHIPS.values()])
    memory = np.log([reference.dram_gb_s / chip.dram_gb_s for chip in ALL_CHIPS.values()])
    from_memory = np.array([parameter.from_memory for parameter in PARAMETERS])
    deviation = np.outer(memory - scale, from_memory)  # the scale's share is taken back
    prior = np.concatenate([np.log(start), scale, deviation.ravel()])
    spreads = ((COMMON_SD, _K), (SCALE_SD, len(scale)), (DEVIATION_SD, deviation.size))
    return prior, np.concatenate([np.full(size, sd) for sd, size in spreads])


def _spread_slopes(slopes: Array, chips: Array) -> Array:
    """Turn slopes by a chip's parameters, (m, 13), into slopes by the packed ones."""
    m, n_chips = len(slopes), len(_CHIP_NAMES)
    out = np.zeros((m, _K + n_chips + n_chips * _K))
    out[:, :_K] = slopes
    out[np.arange(m), _K + chips] = slopes.sum(axis=1)
    columns = _K + n_chips + chips[:, None] * _K + np.arange(_K)
    out[np.arange(m)[:, None], columns] = slopes
    return out


def _result(packed: Array, jacobian: Array) -> Fit:
    """Parameters and covariances per chip; the Jacobian is the loss-corrected one of scipy."""
    log_parameters = _unpack(packed)
    covariance = np.linalg.inv(jacobian.T @ jacobian)

    parameters, covariances = {}, {}
    for i, chip in enumerate(_CHIP_NAMES):
        pick = _spread_slopes(np.eye(_K), np.full(_K, i))
        parameters[chip] = np.exp(log_parameters[i])
        covariances[chip] = pick @ covariance @ pick.T
    return Fit(parameters, covariances)
