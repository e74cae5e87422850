"""The surrogate of the loss: a Gaussian process over switches, additive with pairwise effects.

Equal to a Bayesian ridge on one-hot switches and all their products, in the form that costs by
trials and not by products. Two designs resemble each other by the switches they share:

    k(x, y) = main · Σ_a w_a s_a / d + pairs · Σ_{a<b} w_a w_b s_a s_b · 2 / d(d-1) + costs · z·z'

``s_a`` is 1 where both designs have axis a alike, and falls linearly with the distance of ordered
values; ``w_a`` says how much the axis matters; ``z`` are standardised logarithms of what a design
costs. Scales, weights and noise maximise the marginal likelihood under priors that keep ten
observations from saying too much.

>>> levels = np.array([[i % 2, i // 2 % 2, i // 4 % 2] for i in range(8)] * 3, np.int16)
>>> loss = 1.0 + 0.3 * levels[:, 0] - 0.1 * levels[:, 1]
>>> fitted = Surrogate.fit((2, 2, 2), (False,) * 3, levels, np.zeros((24, 1)), loss)
>>> mean, sd = fitted.predict(np.array([[0, 1, 0]], np.int16), np.zeros((1, 1)))
>>> round(float(mean[0]), 1), bool(sd[0] < 0.05)
(0.9, True)
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

from studies.greybox.switches import Levels

Array = NDArray[np.float64]

CONSTANT = 0.25  # prior variance of the mean, of the losses' own variance
# Means and spreads of the priors, in logarithms: main, pairs, costs, noise, and every weight.
_PRIOR_MEAN = np.log([0.6, 0.15, 0.3, 0.03])
_PRIOR_SD = np.array([1.0, 1.0, 1.0, 1.0])
_WEIGHT_MEAN, _WEIGHT_SD = -0.3, 1.0
_LEAST_NOISE = 1e-4
LEARNT_FROM = 160  # scales are learnt from so many observations at most


@dataclass(frozen=True)
class Scales:
    """What the marginal likelihood chose; ``weights`` are by axis."""

    main: float
    pairs: float
    costs: float
    noise: float
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Surrogate:
    """A fitted process; losses are standardised by ``center`` and ``spread``."""

    sizes: tuple[int, ...]
    ordered: tuple[bool, ...]
    scales: Scales
    levels: Levels  # (observations, axes)
    costs: Array  # (observations, features)
    center: float
    spread: float
    factor: Array  # lower Cholesky factor of the kernel with noise
    solved: Array  # its inverse times the standardised losses

    @classmethod
    def fit(
        cls,
        sizes: tuple[int, ...],
        ordered: tuple[bool, ...],
        levels: Levels,
        costs: Array,
        loss: Array,
        scales: Scales | None = None,
    ) -> "Surrogate":
        """Fit ``loss``, (observations,); ``scales`` are learnt where not given."""
        center, spread = float(loss.mean()), float(loss.std()) or 1.0
        y = (loss - center) / spread
        if scales is None:
            scales = learn_scales(sizes, ordered, levels, costs, y)
        kernel = _kernel(sizes, ordered, scales, (levels, costs), (levels, costs))
        kernel[np.diag_indices(len(y))] += scales.noise
        factor = _root(kernel)
        solved = cho_solve((factor, True), y)
        return cls(
            sizes, ordered, scales, levels, costs, center, spread, factor, np.asarray(solved)
        )

    def mean(self, levels: Levels, costs: Array) -> Array:
        """Return the expected loss without noise, (designs,).

        The sums over observations are taken first, once, which for many designs costs far less
        than their kernel.
        """
        scales, axes = self.scales, len(self.sizes)
        main, pairs, squares, by_costs = self._sums
        here = _spread_out(self.sizes, self.ordered, scales, levels, squared=False)
        products = np.einsum("ij,ij->i", here @ pairs, here)
        products -= _spread_out(self.sizes, self.ordered, scales, levels, squared=True) @ squares
        kernel = (
            CONSTANT * self.solved.sum()
            + scales.main / axes * (here @ main)
            + scales.pairs / max(axes * (axes - 1), 1) * products
            + scales.costs / max(costs.shape[1], 1) * (costs @ by_costs)
        )
        return np.asarray(self.center + self.spread * kernel)

    @cached_property
    def _sums(self) -> tuple[Array, Array, Array, Array]:
        """Features of the observations, their products and squares, weighted and summed."""
        plain = _spread_out(self.sizes, self.ordered, self.scales, self.levels, squared=False)
        squared = _spread_out(self.sizes, self.ordered, self.scales, self.levels, squared=True)
        weighted = self.solved[:, None] * plain
        return (
            weighted.sum(axis=0),
            plain.T @ weighted,
            self.solved @ squared,
            self.solved @ self.costs,
        )

    def predict(self, levels: Levels, costs: Array) -> tuple[Array, Array]:
        """Return expected loss and its standard deviation, both (designs,), noise left out."""
        here, there = (levels, costs), (self.levels, self.costs)
        kernel = _kernel(self.sizes, self.ordered, self.scales, here, there)
        mean = self.center + self.spread * (kernel @ self.solved)
        half = solve_triangular(self.factor, kernel.T, lower=True, check_finite=False)
        own = _diagonal(self.scales, levels, costs)
        variance = np.maximum(own - np.einsum("nm,nm->m", half, half), 1e-10)
        return mean, self.spread * np.sqrt(variance)

    def bound(self, levels: Levels, costs: Array, number: int) -> Array:
        """Return a cheap upper bound of the standard deviation: from ``number`` observations."""
        few = slice(0, number)
        there = (self.levels[few], self.costs[few])
        kernel = _kernel(self.sizes, self.ordered, self.scales, (levels, costs), there)
        factor = self.factor[few, few]  # the leading block factors the leading observations
        half = solve_triangular(factor, kernel.T, lower=True, check_finite=False)
        own = _diagonal(self.scales, levels, costs)
        left = np.maximum(own - np.einsum("nm,nm->m", half, half), 1e-10)
        return np.asarray(self.spread * np.sqrt(left))


def learn_scales(
    sizes: tuple[int, ...], ordered: tuple[bool, ...], levels: Levels, costs: Array, y: Array
) -> Scales:
    """Return the scales of largest posterior density for standardised losses ``y``."""
    alike = np.stack(
        [t[np.ix_(c, c)] for t, c in zip(_tables(sizes, ordered), levels.T, strict=True)]
    )
    linear = costs @ costs.T / max(costs.shape[1], 1)
    axes = len(alike)

    def negative(theta: Array) -> tuple[float, Array]:
        main, pairs, by_costs, noise = np.exp(theta[:4])
        weights = np.exp(theta[4:])
        weighted = alike * weights[:, None, None]
        total = weighted.sum(axis=0)
        products = _products(total, np.einsum("aij,aij->ij", weighted, weighted), axes)
        kernel = CONSTANT + main * total / axes + pairs * products + by_costs * linear
        kernel[np.diag_indices(len(y))] += noise + _LEAST_NOISE
        try:
            factor = cho_factor(kernel, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        solved = cho_solve(factor, y)
        inverse = cho_solve(factor, np.eye(len(y)))
        prior_mean = np.concatenate([_PRIOR_MEAN, np.full(axes, _WEIGHT_MEAN)])
        prior_sd = np.concatenate([_PRIOR_SD, np.full(axes, _WEIGHT_SD)])
        off = (theta - prior_mean) / prior_sd
        value = 0.5 * y @ solved + np.log(np.diag(factor[0])).sum() + 0.5 * off @ off
        slope = 0.5 * (inverse - np.outer(solved, solved))  # of the value by the kernel
        gradient = np.empty_like(theta)
        gradient[0] = main * (slope * total).sum() / axes
        gradient[1] = pairs * (slope * products).sum()
        gradient[2] = by_costs * (slope * linear).sum()
        gradient[3] = noise * np.trace(slope)
        by_weighted = slope * (main / axes)
        by_product = slope * (2 * pairs / max(axes * (axes - 1), 1))
        gradient[4:] = np.einsum("ij,aij->a", by_weighted + by_product * total, weighted)
        gradient[4:] -= np.einsum("ij,aij,aij->a", by_product, weighted, weighted)
        return float(value), gradient + off / prior_sd

    start = np.concatenate([_PRIOR_MEAN, np.full(axes, _WEIGHT_MEAN)])
    found = minimize(negative, start, jac=True, method="L-BFGS-B", options={"maxiter": 40})
    main, pairs, by_costs, noise = np.exp(found.x[:4])
    return Scales(
        float(main),
        float(pairs),
        float(by_costs),
        float(noise + _LEAST_NOISE),
        tuple(float(w) for w in np.exp(found.x[4:])),
    )


def _products(total: Array, squares: Array, axes: int) -> Array:
    """Σ_{a<b} s_a s_b, scaled to 1 for designs that share everything at unit weights."""
    return (total * total - squares) / max(axes * (axes - 1), 1)


@lru_cache(maxsize=64)
def _tables(sizes: tuple[int, ...], ordered: tuple[bool, ...]) -> tuple[Array, ...]:
    """How alike the values of each axis are; the last row and column, -1, is 'no effect'."""
    tables = []
    for size, is_ordered in zip(sizes, ordered, strict=True):
        table = np.eye(size + 1)
        if is_ordered:
            place = np.arange(size)
            table[:size, :size] = 1 - np.abs(place[:, None] - place[None, :]) / size
        tables.append(table)
    return tuple(tables)


@lru_cache(maxsize=64)
def _features(sizes: tuple[int, ...], ordered: tuple[bool, ...]) -> tuple[list[Array], list[Array]]:
    """Rows whose products are the tables, and their squares: a kernel is then one product."""
    tables = _tables(sizes, ordered)
    jitter = [1e-9 * np.eye(len(t)) for t in tables]
    plain = [_root(t + j) for t, j in zip(tables, jitter, strict=True)]
    squared = [_root(t * t + j) for t, j in zip(tables, jitter, strict=True)]
    return plain, squared


def _kernel(
    sizes: tuple[int, ...],
    ordered: tuple[bool, ...],
    scales: Scales,
    here: tuple[Levels, Array],
    there: tuple[Levels, Array],
) -> Array:
    """The covariance of the losses of two lists of designs, (here, there)."""
    spread = partial(_spread_out, sizes, ordered, scales)
    total = spread(here[0], squared=False) @ spread(there[0], squared=False).T
    squares = spread(here[0], squared=True) @ spread(there[0], squared=True).T
    axes, features = len(sizes), max(here[1].shape[1], 1)
    return np.asarray(
        CONSTANT
        + scales.main * total / axes
        + scales.pairs * _products(total, squares, axes)
        + scales.costs * (here[1] @ there[1].T) / features
    )


def _spread_out(
    sizes: tuple[int, ...],
    ordered: tuple[bool, ...],
    scales: Scales,
    levels: Levels,
    *,
    squared: bool,
) -> Array:
    """Rows, (designs, features), whose products are Σ_a w_a s_a, or ``squared`` Σ_a (w_a s_a)²."""
    tables = _features(sizes, ordered)[squared]
    powers = np.asarray(scales.weights) if squared else np.sqrt(scales.weights)
    return np.concatenate(
        [p * rows[c] for rows, p, c in zip(tables, powers, levels.T, strict=True)], axis=1
    )


def _diagonal(scales: Scales, levels: Levels, costs: Array) -> Array:
    """The prior variance of each design; every design shares everything with itself."""
    weights, axes = np.asarray(scales.weights), len(scales.weights)
    total, squares = weights.sum(), (weights**2).sum()
    shared = CONSTANT + scales.main * total / axes
    shared += scales.pairs * (total * total - squares) / max(axes * (axes - 1), 1)
    features = max(costs.shape[1], 1)
    return np.asarray(shared + scales.costs * np.einsum("mf,mf->m", costs, costs) / features)


def _root(matrix: Array) -> Array:
    """The lower Cholesky factor."""
    return np.asarray(np.linalg.cholesky(matrix), np.float64)
