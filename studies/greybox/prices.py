"""Exact prices of many designs: what a search may know of them without training.

A price list turns switches into the values of every cheap metric, and marks what
cannot be priced. :class:`Priced` builds each design once and remembers it;
:class:`studies.greybox.tabulated.Tabulated` looks up an enumerated space.

>>> from search_space.cost import cost
>>> from search_space.space import SearchSpace
>>> switches = Switches.of(SearchSpace.load("pocket"))
>>> prices = Priced(switches, ("params",), lambda design: {"params": cost(design).params})
>>> levels, values = prices(np.zeros((2, len(switches.names)), np.int16))
>>> values.shape, bool(values[0] == values[1])
((2, 1), True)
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from search_space.errors import WalkbenchError
from search_space.network import Network
from studies.greybox.switches import Levels, Switches

Array = NDArray[np.float64]


class Prices(Protocol):
    """Computes the metrics called ``names`` of designs given as switches."""

    @property
    def switches(self) -> Switches:
        """The space's axes."""

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics, in the order of the columns of the prices."""

    def __call__(self, levels: Levels) -> tuple[Levels, Array]:
        """Return settled switches, (designs, axes), and prices, (designs, metrics).

        NaN prices: the values contradict each other, or nobody can price the design.
        """


class Priced:
    """Prices by building each design once; ``price`` gives its metrics by name."""

    def __init__(
        self,
        switches: Switches,
        names: tuple[str, ...],
        price: Callable[[Network], Mapping[str, float]],
    ) -> None:
        self.switches, self.names = switches, names
        self._price = price
        self._settled: dict[bytes, bytes] = {}  # as given → as settled
        self._known: dict[bytes, tuple[float, ...]] = {}  # as settled → prices

    def __call__(self, levels: Levels) -> tuple[Levels, Array]:
        """Price ``levels``, (designs, axes); known ones are looked up."""
        levels = np.ascontiguousarray(levels, np.int16)
        settled = np.empty_like(levels)
        values = np.empty((len(levels), len(self.names)))
        for i, row in enumerate(levels):
            key = self._settle(row)
            settled[i] = np.frombuffer(key, np.int16)
            values[i] = self._known[key]
        return settled, values

    def _settle(self, row: Levels) -> bytes:
        given = row.tobytes()
        if given in self._settled:
            return self._settled[given]
        levels = row
        try:
            levels, design = self.switches.settle(row)
            key = levels.tobytes()
            if key not in self._known:
                priced = self._price(design)
                self._known[key] = tuple(float(priced[name]) for name in self.names)
        except WalkbenchError:  # contradictory, or the latency source cannot price it
            key = levels.tobytes()
            self._known[key] = (np.nan,) * len(self.names)
        self._settled[given] = self._settled[key] = key
        return key
