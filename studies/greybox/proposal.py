"""One proposal: the candidate whose loss, if it comes as expected, adds most to the front.

Everything but the loss is computed exactly, so budgets are kept before anything is proposed and
the expectation is over the loss alone. A proposal is a function of the history, the seed and the
price list: nothing is remembered between trials.

>>> from search_space.cost import cost
>>> from search_space.space import SearchSpace
>>> from studies.greybox.prices import Priced
>>> from studies.greybox.switches import Switches
>>> switches = Switches.of(SearchSpace.load("pocket"))
>>> prices = Priced(switches, ("params",), lambda design: {"params": cost(design).params})
>>> search = Search(prices, cheap=("params",), budgets={"params": 400e6}, size=PoolSize(20, 20, 20))
>>> row = search.propose(History.empty(len(switches.names)), seed=0, number=0)
>>> bool(prices(row[None])[1][0, 0] <= 400e6)
True
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from studies.greybox.gain import Array, certain_gain, expected_gain, free_boxes
from studies.greybox.moves import moves
from studies.greybox.pool import PoolSize, candidates, random_designs
from studies.greybox.prices import Prices
from studies.greybox.surrogate import Scales, Surrogate, learn_scales
from studies.greybox.switches import INACTIVE, Levels

FINALISTS = 384  # candidates whose uncertainty is computed exactly
BOUNDED_BY = 96  # observations that bound the uncertainty of all candidates before
FIRST = 10  # designs without a surrogate, spread over the range of the cheap objectives
PATIENCE = 3  # rounds of mutation towards the budgets that come no closer to them


@dataclass(frozen=True)
class History:
    """What earlier trials say, as switches, (trials, axes), in the order of their numbers.

    ``loss`` is NaN where none is known. Of those trials ``pending`` ones are being trained and
    ``failed`` ones diverged, which the surrogate takes for the worst loss; the others only must not
    be proposed again. ``unknown`` counts running trials of smaller number that have no design yet.
    """

    levels: Levels
    loss: Array
    pending: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    unknown: int = 0

    @classmethod
    def empty(cls, axes: int) -> "History":
        """Return the history of a study without trials."""
        no = np.empty(0, bool)
        return cls(np.empty((0, axes), np.int16), np.empty(0), no, no)


class NoDesignWithinBudgets(Exception):
    """No candidate keeps the budgets; ``levels`` and ``prices`` are those of the closest."""

    def __init__(self, levels: Levels, prices: Mapping[str, float]) -> None:
        super().__init__("no design within the budgets was found")
        self.levels, self.prices = levels, prices


@dataclass
class Search:
    """What all proposals of a study share.

    ``cheap`` are the objectives that are computed, in the order in which the front is to have them
    after the loss; ``trained`` says whether there is a loss at all. ``budgets`` are upper limits of
    metrics of ``prices``.
    """

    prices: Prices
    cheap: tuple[str, ...]
    budgets: Mapping[str, float] = field(default_factory=dict)
    trained: bool = True
    seed: int = 0
    size: PoolSize = field(default_factory=PoolSize)
    _scales: dict[bytes, Scales] = field(default_factory=dict)

    def propose(
        self, history: History, seed: int, number: int, fixed: Levels | None = None
    ) -> Levels:
        """Return the settled switches, (axes,), of the design to evaluate next.

        ``seed`` and ``number`` are the trial's; ``fixed``, (axes,), are switches it must have, -1
        where it is free. Raises :class:`NoDesignWithinBudgets`.
        """
        rng = np.random.default_rng(seed)
        settled, values = self.prices(history.levels)
        inside = self.within(values)
        known = np.isfinite(history.loss) if self.trained else ~history.failed
        model = self._model(history, settled, values, known)
        loss, front = self._front(model, settled, values, known & inside)
        if model is not None:
            waiting = history.pending & ~known
            if waiting.any():  # they are taken to come as expected
                model, loss = self._believing(model, settled, values, waiting, loss)
        pool, prices = self._pool(settled[front], settled, rng, fixed)
        points = self._points(loss, values)
        counted = inside & np.isfinite(points).all(axis=1)
        if self.trained and model is None:
            score = self._spread(pool, prices, settled, number)
        else:
            score = self._gain(model, points[counted], pool, prices, number)
        order = np.argsort(-score, kind="stable")
        return np.asarray(pool[order[min(history.unknown, len(order) - 1)]])

    def within(self, values: Array) -> NDArray[np.bool_]:
        """Whether prices, (designs, metrics), keep every budget; contradictory designs do not."""
        kept = np.isfinite(values).all(axis=1)
        for name, limit in self.budgets.items():
            kept &= values[:, self.prices.names.index(name)] <= limit
        return np.asarray(kept)

    @cached_property
    def base(self) -> tuple[Levels, Array]:
        """The random designs within budget that all trials look at, and their prices."""
        rng = np.random.default_rng([self.seed, 0x6B])
        return self._priced(random_designs(self.prices.switches, self.size.base, rng))

    @cached_property
    def _moves(self) -> Levels:
        return moves(self.prices.switches)

    @cached_property
    def _log_scale(self) -> tuple[Array, Array]:
        """Center and spread of the logarithms of the base designs' prices."""
        prices = self.base[1] if len(self.base[1]) else self.descend()[1]
        logs = _log(prices)
        return logs.mean(axis=0), np.maximum(logs.std(axis=0), 1e-9)

    def _features(self, values: Array) -> Array:
        center, spread = self._log_scale
        return np.asarray(np.clip((_log(values) - center) / spread, -4, 4))

    def _columns(self) -> list[int]:
        return [self.prices.names.index(name) for name in self.cheap]

    def _points(self, loss: Array, values: Array) -> Array:
        cheap = values[:, self._columns()]
        return np.column_stack([loss, cheap]) if self.trained else cheap

    def _model(
        self, history: History, levels: Levels, values: Array, known: NDArray[np.bool_]
    ) -> Surrogate | None:
        """Fit the surrogate to the known losses; None while they are too few."""
        priced = np.isfinite(values).all(axis=1)
        if not self.trained or (known & priced).sum() < FIRST:
            return None
        usable = (known | history.failed) & priced
        worst = np.nanmax(history.loss)
        loss, rows = _clipped(np.nan_to_num(history.loss[usable], nan=worst)), levels[usable]
        costs = self._features(values[usable])
        switches = self.prices.switches
        few = _learning_size(len(loss))
        key = rows[:few].tobytes() + loss[:few].tobytes()
        if key not in self._scales:
            y = (loss[:few] - loss[:few].mean()) / (loss[:few].std() or 1.0)
            self._scales[key] = learn_scales(
                switches.sizes, switches.ordered, rows[:few], costs[:few], y
            )
        return Surrogate.fit(switches.sizes, switches.ordered, rows, costs, loss, self._scales[key])

    def _front(
        self, model: Surrogate | None, levels: Levels, values: Array, counted: NDArray[np.bool_]
    ) -> tuple[Array, NDArray[np.int64]]:
        """Return losses without their noise, (trials,), and the trials on the front."""
        loss = np.full(len(levels), np.nan)
        if model is not None and counted.any():
            loss[counted] = model.mean(levels[counted], self._features(values[counted]))
        elif not self.trained:
            loss[counted] = 0.0
        places = np.flatnonzero(np.isfinite(loss))
        points = self._points(loss, values)[places]
        return loss, places[_non_dominated(points)]

    def _believing(
        self,
        model: Surrogate,
        levels: Levels,
        values: Array,
        waiting: NDArray[np.bool_],
        loss: Array,
    ) -> tuple[Surrogate, Array]:
        """Add the trials being trained at their expected losses."""
        usable = waiting & np.isfinite(values).all(axis=1)
        if not usable.any():
            return model, loss
        costs = self._features(values[usable])
        expected = model.mean(levels[usable], costs)
        loss = loss.copy()
        loss[usable] = expected
        observed = model.center + model.spread * (model.factor @ (model.factor.T @ model.solved))
        return (
            Surrogate.fit(
                model.sizes,
                model.ordered,
                np.concatenate([model.levels, levels[usable]]),
                np.concatenate([model.costs, costs]),
                np.concatenate([observed, expected]),
                model.scales,
            ),
            loss,
        )

    def _priced(self, rows: Levels, fixed: Levels | None = None) -> tuple[Levels, Array]:
        """Settle and price ``rows``; return those within budget, each once."""
        if fixed is not None:
            rows = np.where(fixed[None, :] == INACTIVE, rows, fixed[None, :]).astype(np.int16)
        levels, values = self.prices(rows)
        kept = self.within(values)
        levels, values = levels[kept], values[kept]
        first = self._distinct(levels)
        return levels[first], values[first]

    def _distinct(self, levels: Levels) -> NDArray[np.int64]:
        """The first place of each design, in the order of their hashes."""
        return np.unique(self.prices.switches.keys(levels), return_index=True)[1]

    def _pool(
        self, front: Levels, tried: Levels, rng: np.random.Generator, fixed: Levels | None
    ) -> tuple[Levels, Array]:
        """Return candidates within budget that nobody has tried, and their prices."""
        rows = candidates(self.prices.switches, self._moves, front, self.size, rng)
        pool, prices = self._priced(rows, fixed)
        if fixed is None:
            pool = np.concatenate([pool, self.base[0]])
            prices = np.concatenate([prices, self.base[1]])
            first = self._distinct(pool)
            pool, prices = pool[first], prices[first]
        if not len(pool):
            pool, prices = self.descend(rng, fixed)
        keys = self.prices.switches.keys
        new = ~np.isin(keys(pool), keys(tried))
        return (pool[new], prices[new]) if new.any() else (pool, prices)

    def descend(
        self, rng: np.random.Generator | None = None, fixed: Levels | None = None
    ) -> tuple[Levels, Array]:
        """Mutate towards the budgets; return designs within them and their prices.

        Raises :class:`NoDesignWithinBudgets` when :data:`PATIENCE` rounds come no closer.
        """
        rng = rng or np.random.default_rng([self.seed, 0xDE])
        switches = self.prices.switches
        best = np.empty((0, len(switches.names)), np.int16)
        closest, since = np.inf, 0
        while since < PATIENCE:
            rows = candidates(switches, self._moves, best, self.size, rng)
            if fixed is not None:
                rows = np.where(fixed[None, :] == INACTIVE, rows, fixed[None, :])
            levels, values = self.prices(np.concatenate([rows.astype(np.int16), best]))
            inside = self.within(values)
            if inside.any():
                return levels[inside], values[inside]
            excess = self._excess(values)
            best = levels[np.argsort(excess, kind="stable")[:8]]
            since = since + 1 if excess.min() >= closest else 0
            closest = min(closest, float(excess.min()))
        _, values = self.prices(best[:1])
        named = dict(zip(self.prices.names, map(float, values[0]), strict=True))
        raise NoDesignWithinBudgets(best[0], named)

    def _excess(self, values: Array) -> Array:
        """By how much designs exceed their budgets, as a share of them, in total."""
        total = np.where(np.isfinite(values).all(axis=1), 0.0, np.inf)
        for name, limit in self.budgets.items():
            over = (values[:, self.prices.names.index(name)] - limit) / (abs(limit) or 1.0)
            total = total + np.maximum(np.nan_to_num(over, nan=np.inf), 0.0)
        return np.asarray(total)

    def _spread(self, pool: Levels, prices: Array, tried: Levels, number: int) -> Array:
        """Score for the first designs: all over the cheap range, and unlike those before."""
        unlike = np.full(len(pool), 1.0)
        if len(tried):
            unlike = np.min([(pool != row).mean(axis=1) for row in tried], axis=0)
        if not self.cheap or len(pool) < 2:
            return unlike
        ranks = prices[:, self._columns()[0]].argsort().argsort() / (len(pool) - 1)
        return np.asarray(unlike - 2.0 * np.abs(ranks - _van_der_corput(number)))

    def _gain(
        self, model: Surrogate | None, points: Array, pool: Levels, prices: Array, number: int
    ) -> Array:
        """Return the expected gain of every candidate; -inf where it was not worth computing."""
        cheap = prices[:, self._columns()]
        if model is None:
            reference = _beyond(np.concatenate([points, cheap]))
            return certain_gain(free_boxes(points[_non_dominated(points)], reference), cheap)
        features = self._features(prices)
        mean = model.mean(pool, features)
        reference = self._reference(points, np.column_stack([mean, cheap]), number)
        boxes = free_boxes(points[_non_dominated(points)], reference)
        bound = model.bound(pool, features, min(BOUNDED_BY, len(model.solved)))
        chosen = np.argsort(-expected_gain(boxes, cheap, mean, bound), kind="stable")[:FINALISTS]
        mean, sd = model.predict(pool[chosen], features[chosen])
        gain = np.full(len(pool), -np.inf)
        gain[chosen] = expected_gain(boxes, cheap[chosen], mean, sd)
        return gain

    def _reference(self, points: Array, expected: Array, number: int) -> Array:
        """The point up to which volume counts: near and far, in turn.

        Just beyond the front that the surrogate expects, gains lie along the whole front; from
        there alone its ends would not be explored. Beyond everything, the ends weigh most.
        """
        everything = np.concatenate([points, expected])
        if number % 2:
            far = everything.max(axis=0)
            far[0] = points[:, 0].max() if len(points) else far[0]
            return _beyond(np.concatenate([everything.min(axis=0)[None], far[None]]))
        return _beyond(everything[_non_dominated(everything)])


def _beyond(points: Array) -> Array:
    """The worst of each objective, and a tenth of the range more."""
    high, low = points.max(axis=0), points.min(axis=0)
    return np.asarray(high + 0.1 * np.where(high > low, high - low, np.abs(high)))


def _log(prices: Array) -> Array:
    """Logarithms of sizes; a maximised metric is negative in here."""
    return np.asarray(np.log(np.maximum(np.abs(prices), 1e-12)))


def _clipped(loss: Array) -> Array:
    """Pull in losses far above the others, which would flatten everything below."""
    low, middle, high = np.quantile(loss, [0.25, 0.5, 0.75])
    return np.asarray(np.minimum(loss, middle + 4 * max(high - low, 1e-12)))


def _learning_size(known: int) -> int:
    """How many of the first observations scales are learnt from: seldom another number."""
    sizes = [FIRST, 14, 20, 28, 40, 56, 80, 112, 160]
    return max(size for size in sizes if size <= known)


def _van_der_corput(number: int) -> float:
    """The binary digits of ``number``, mirrored at the point: 0, 1/2, 1/4, 3/4 and so on."""
    value, digit = 0.0, 0.5
    while number:
        value, number, digit = value + digit * (number & 1), number >> 1, digit / 2
    return value


def _non_dominated(points: Array) -> NDArray[np.int64]:
    """Return the places of the points that no other one dominates, one of each equal."""
    if not len(points):
        return np.empty(0, np.int64)
    _, first = np.unique(points, axis=0, return_index=True)
    unique = points[first]
    if points.shape[1] == 2:  # sorted by the first objective: a running minimum of the second
        before = np.concatenate([[np.inf], np.minimum.accumulate(unique[:, 1])[:-1]])
        return np.asarray(first[unique[:, 1] < before])
    kept = [
        i
        for i, point in zip(first, unique, strict=True)
        if not ((unique <= point).all(axis=1) & (unique < point).any(axis=1)).any()
    ]
    return np.asarray(kept, np.int64)
