"""Fit the hierarchy to published evidence: the posterior mode, and the curvature around it.

An error is Student's t around zero, or, for one row in ten, that of a network part of which ran on
the CPU or the GPU: slower than predicted, by a factor of two in the middle. The mixture keeps such
rows from pulling the parameters and tells how likely each row is one of them. Published ratios (of
the design walk, of ablations) enter as differences of two networks. Physics bounds the rates:
weights are read no faster than the memory's bandwidth, multiply-accumulates run no faster than the
stated TOPS.

scipy minimises the negative log posterior; a fit takes about a second on one core.

>>> from latency_db.evidence import published_evidence
>>> fit = fit_roofline(published_evidence())
>>> bool(0.2 < fit.parameters["A14"][0] < 0.6)  # the floor, ms
True
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize

from latency_db.devices import CHIPS
from latency_db.evidence import Evidence, Item, Pair
from latency_db.fitted import Fit, LabEffect
from latency_db.hierarchy import ERROR_SD, FALLBACK_MEAN, FALLBACK_SD, FALLBACK_SHARE, Layout
from latency_db.roofline import (
    NAMES,
    Array,
    Loads,
    Setting,
    loads,
    operator_milliseconds,
    with_weights,
)

FREEDOM = 30.0  # of Student's t: nearly normal, as the mixture takes the slow rows
PAIR_SD = 0.28  # of a log-ratio; the walk's two reconstructions together count as one
GRADIENT = 0.03  # of the log posterior, at which a fit ends
BOUND_SD = 0.1  # how softly physics bounds a rate

_K = len(NAMES)
_CHIP_NAMES = tuple(CHIPS)
# Parameter, and the least it may be on a chip: ms per MB at full bandwidth, per GMAC at full TOPS.
_BOUNDS = (
    (NAMES.index("weight"), np.log([1 / chip.dram_gb_s for chip in CHIPS.values()])),
    (NAMES.index("matrix"), np.log([2 / chip.fp16_tops for chip in CHIPS.values()])),
)


class Workload:
    """Loads of every (network, chip, setting) of the evidence, made once for all folds."""

    def __init__(self, evidence: Evidence):
        self.evidence = evidence
        self._cache: dict[tuple[str, str, Setting], Loads] = {}

    def of(self, network: str, chip: str, setting: Setting) -> Loads:
        """Return the loads of a network of the evidence on a chip."""
        key = (network, chip, setting)
        if key not in self._cache:
            ops = self.evidence.networks[network]
            self._cache[key] = loads(ops, CHIPS[chip].on_chip_mb, setting)
        return self._cache[key]

    def of_item(self, item: Item) -> Loads:
        """Return the loads behind a published row."""
        return self.of(item.network, item.chip, item.setting)

    def of_pair(self, pair: Pair) -> tuple[Loads, Loads]:
        """Return the loads on both sides of a published ratio."""
        (a, b), (setting_a, setting_b) = pair.networks, pair.settings
        return self.of(a, pair.chip, setting_a), self.of(b, pair.chip, setting_b)


def fit_roofline(
    evidence: Evidence,
    keep: Callable[[Item | Pair], bool] = lambda _: True,
    workload: Workload | None = None,
) -> Fit:
    """Fit every chip to the evidence that ``keep`` keeps.

    ``workload`` shares prepared loads between folds.
    """
    work = workload or Workload(evidence)
    items = [item for item in evidence.items if item.fitted and keep(item)]
    pairs = [pair for pair in evidence.pairs if keep(pair)]
    posterior = _Posterior(work, items, pairs)
    found: Any = minimize(
        posterior.value,
        posterior.means,
        jac=posterior.gradient,
        hess=posterior.curvature,
        method="dogleg",
        options={
            "gtol": GRADIENT,
            "maxiter": 200,
            "initial_trust_radius": 2.0,
            "max_trust_radius": 20.0,
        },
    )
    return posterior.fit(found.x)


class _Posterior:
    """Negative log posterior of the effects, with its gradient and Gauss-Newton curvature."""

    def __init__(self, work: Workload, items: list[Item], pairs: list[Pair]):
        self.items = items
        self.layout = Layout(
            tuple(sorted({item.lab for item in items})),
            tuple(sorted({item.family for item in items})),
            tuple(sorted({(item.lab, item.chip) for item in items})),
        )
        self.means, self.sds = self.layout.prior()
        self._stack(work, items, pairs)
        rounding = [item.rounding_ms / math.sqrt(12) / item.latency_ms for item in items]
        errors = np.hypot(ERROR_SD, rounding)
        self.error_sd = np.concatenate([errors, np.full(len(pairs), PAIR_SD)])
        ratios = [pair.ratio for pair in pairs]
        self.target = np.log([*(item.latency_ms for item in items), *ratios])
        self._at: Array | None = None

    def _stack(self, work: Workload, items: list[Item], pairs: list[Pair]) -> None:
        """All networks as one stacked product, as a fit evaluates them a hundred times."""
        keys = [(item.network, item.chip, item.setting) for item in items]
        for pair in pairs:
            keys += [(pair.networks[i], pair.chip, pair.settings[i]) for i in range(2)]
        distinct = list(dict.fromkeys(keys))  # several labs timed the same network
        place = {key: i for i, key in enumerate(distinct)}
        self.networks = np.array([place[key] for key in keys])
        parts = [work.of(*key) for key in distinct]
        self.compute = np.concatenate([part.compute for part in parts])
        self.traffic = np.concatenate([part.traffic for part in parts])
        self.counts = np.concatenate([part.counts for part in parts])
        self.weights_mb = np.array([part.weights_mb for part in parts])
        sizes = [len(part.counts) for part in parts]
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.owners = np.array([_CHIP_NAMES.index(chip) for _, chip, _ in distinct])
        self.row_chips = np.repeat(self.owners, sizes)
        self.n = len(items)
        chips = self.owners[self.networks]
        self.chips = np.concatenate([chips[: self.n], chips[self.n :: 2]])
        layout = self.layout
        labs = [layout.labs.index(item.lab) for item in items]
        self.places = np.array(
            [
                (
                    layout.start("lab") + lab,
                    layout.start("family") + layout.families.index(item.family),
                    layout.start("lab chip") + layout.lab_chips.index((item.lab, item.chip)),
                )
                for item, lab in zip(items, labs, strict=True)
            ]
        ).reshape(-1, 3)
        self.floor_places = layout.start("lab floor") + np.array(labs, dtype=int)

    def value(self, effects: Array) -> float:
        """Negative log posterior, up to a constant."""
        self._evaluate(effects)
        return self._value

    def gradient(self, effects: Array) -> Array:
        """Its gradient."""
        self._evaluate(effects)
        return self._gradient

    def curvature(self, effects: Array) -> Array:
        """Its Gauss-Newton curvature, which is positive definite."""
        self._evaluate(effects)
        return self._curvature

    def fit(self, effects: Array) -> Fit:
        """Parameters per chip and their covariance, and what is known of each lab."""
        covariance = np.linalg.inv(self.curvature(effects))
        log_parameters = self.layout.log_parameters(effects)
        parameters, covariances = {}, {}
        for i, chip in enumerate(_CHIP_NAMES):
            pick = self.layout.spread_slopes(np.eye(_K), np.full(_K, i))
            parameters[chip] = np.exp(log_parameters[i])
            covariances[chip] = pick @ covariance @ pick.T
        lab, floor = self.layout.start("lab"), self.layout.start("lab floor")
        labs = {
            name: LabEffect(
                float(effects[lab + i]),
                float(effects[floor + i]),
                float(covariance[lab + i, lab + i]),
            )
            for i, name in enumerate(self.layout.labs)
        }
        fallback = {item.row: float(p) for item, p in zip(self.items, self._fallback, strict=True)}
        return Fit(parameters, covariances, labs, fallback)

    def _evaluate(self, effects: Array) -> None:
        if self._at is not None and np.array_equal(self._at, effects):
            return
        log_ms, slopes, floor_slopes = self._predict(effects)
        jacobian = self.layout.spread_slopes(slopes, self.chips)
        rows = np.arange(self.n)
        jacobian[rows[:, None], self.places] = 1.0
        jacobian[rows, self.floor_places] = floor_slopes
        log_ms[: self.n] += effects[self.places].sum(axis=1)
        log_ms[: self.n] += floor_slopes * effects[self.floor_places]
        value, pull, weight = self._likelihood(self.target - log_ms)
        z = (effects - self.means) / self.sds
        self._value = value + float(z @ z) / 2
        self._gradient = -jacobian.T @ pull + z / self.sds
        self._curvature = jacobian.T @ (jacobian * weight[:, None]) + np.diag(1 / self.sds**2)
        self._bound(effects)
        self._at = effects.copy()

    def _predict(self, effects: Array) -> tuple[Array, Array, Array]:
        """Log-milliseconds or log-ratios, (m,), slopes by log-parameters, and by the floor."""
        theta = np.exp(self.layout.log_parameters(effects))
        stacked = Loads(self.compute, self.traffic, self.counts, 0.0)
        per_row, per_slope = operator_milliseconds(stacked, theta[self.row_chips])
        ms = np.add.reduceat(per_row, self.starts)
        gradient = np.add.reduceat(per_slope, self.starts)
        total = np.column_stack([ms, gradient])
        total = with_weights(total, self.weights_mb, theta[self.owners])
        total, n = total[self.networks], self.n
        log_ms, slopes = np.log(total[:, 0]), total[:, 1:] / total[:, :1]
        both = np.concatenate([log_ms[:n], log_ms[n::2] - log_ms[n + 1 :: 2]])
        slope = np.concatenate([slopes[:n], slopes[n::2] - slopes[n + 1 :: 2]])
        return both, slope, slopes[:n, NAMES.index("floor")]

    def _likelihood(self, error: Array) -> tuple[float, Array, Array]:
        """Negative log likelihood, its pull on the predictions, and the rows' weights."""
        z = error / self.error_sd
        scale = math.gamma((FREEDOM + 1) / 2) / math.gamma(FREEDOM / 2)
        scale /= math.sqrt(FREEDOM * math.pi)
        usual = scale / self.error_sd * (1 + z**2 / FREEDOM) ** (-(FREEDOM + 1) / 2)
        tail_z = (error - FALLBACK_MEAN) / FALLBACK_SD
        tail = np.exp(-(tail_z**2) / 2) / (FALLBACK_SD * math.sqrt(2 * math.pi))
        both = (1 - FALLBACK_SHARE) * usual + FALLBACK_SHARE * tail
        fallback = FALLBACK_SHARE * tail / both
        inverse = (FREEDOM + 1) / (FREEDOM + z**2) / self.error_sd**2
        pull = (1 - fallback) * inverse * error + fallback * tail_z / FALLBACK_SD
        weight = (1 - fallback) * inverse + fallback / FALLBACK_SD**2
        self._fallback = fallback[: self.n]
        return -float(np.log(both).sum()), pull, weight

    def _bound(self, effects: Array) -> None:
        """Add the bounds of physics, a quadratic beyond each."""
        log_parameters = self.layout.log_parameters(effects)
        pick = np.eye(_K)
        for k, least in _BOUNDS:
            for chip in np.flatnonzero(log_parameters[:, k] < least):
                below = float(least[chip] - log_parameters[chip, k])
                row = self.layout.spread_slopes(pick[k : k + 1], np.array([chip]))[0]
                self._value += (below / BOUND_SD) ** 2 / 2
                self._gradient -= row * below / BOUND_SD**2
                self._curvature += np.outer(row, row) / BOUND_SD**2
