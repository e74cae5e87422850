"""Prices of an enumerated space, looked up in its table.

Which switches have no effect is learnt from the table too: a decision tree for each conditional
axis, grown until it is right about every design, over the axes that are asked for before it.

>>> from search_space.space import SearchSpace
>>> switches = Switches.of(SearchSpace.load("pocket").fix({"mid": True}))
>>> table = np.zeros((2, len(switches.names)), np.int16)
>>> table[1, 2] = 1
>>> prices = Tabulated(switches, ("params",), table, np.array([[5.0], [7.0]]))
>>> float(prices(table[1:])[1][0, 0])
7.0
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from studies.greybox.prices import Array
from studies.greybox.switches import INACTIVE, Levels, Switches

_SAMPLE = 20_000  # designs that a tree is grown from before it is checked on all


class Tabulated:
    """The :class:`studies.greybox.prices.Prices` of a table.

    ``levels`` are all designs of the space, (designs, axes), settled; ``values`` their prices,
    (designs, metrics).
    """

    def __init__(
        self, switches: Switches, names: tuple[str, ...], levels: Levels, values: Array
    ) -> None:
        self.switches, self.names, self.levels, self.values = switches, names, levels, values
        sizes = np.array(switches.sizes, np.int64) + 1
        self._places = np.concatenate([[1], np.cumprod(sizes[:-1])]).astype(np.int64)
        keys = self._keys(levels)
        self._order = np.argsort(keys)
        self._sorted = keys[self._order]
        self._trees = _activity(levels)

    def __call__(self, levels: Levels) -> tuple[Levels, Array]:
        """Settle and look up ``levels``; NaN where the table has no such design."""
        settled = np.array(levels, np.int16)
        for axis, tree in self._trees.items():
            if len(settled):
                settled[~tree.predict(settled[:, :axis]).astype(bool), axis] = INACTIVE
        at = self.index(settled)
        return settled, np.where((at >= 0)[:, None], self.values[at], np.nan)

    def index(self, settled: Levels) -> NDArray[np.int64]:
        """Return the rows of settled switches in the table, -1 where it has none."""
        keys = self._keys(settled)
        at = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        return np.asarray(np.where(self._sorted[at] == keys, self._order[at], -1))

    def _keys(self, levels: Levels) -> NDArray[np.int64]:
        return np.asarray((levels.astype(np.int64) + 1) @ self._places)


def _activity(table: Levels) -> dict[int, DecisionTreeClassifier]:
    """Return a tree for every axis that is active in some designs and not in others."""
    trees = {}
    few = np.random.default_rng(0).permutation(len(table))[:_SAMPLE]
    for axis in range(1, table.shape[1]):
        active = table[:, axis] != INACTIVE
        if active.all():
            continue
        before = table[:, :axis]
        tree = DecisionTreeClassifier(random_state=0).fit(before[few], active[few])
        if (tree.predict(before) != active).any():
            tree = DecisionTreeClassifier(random_state=0).fit(before, active)
        if (tree.predict(before) != active).any():
            raise ValueError(f"axis {axis} has an effect by what the axes before it do not say")
        trees[axis] = tree
    return trees
