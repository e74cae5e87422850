"""Designs as switches: one whole number per axis of a space, the position of its value.

A switch is -1 where the axis has no effect on the design, so that a conditional space becomes a
plain table of whole numbers, which surrogate and candidate pool work on.

>>> from search_space.space import SearchSpace
>>> switches = Switches.of(SearchSpace.load("pocket"))
>>> row = switches.row({"mid": False, "channels.0": 256})
>>> switches.names.index("mid_depth"), int(row[switches.names.index("mid_depth")])
(2, -1)
>>> switches.params(row)
{'mid': False, 'channels.0': 256}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search_space.design_space import DesignSpace
from search_space.network import Network
from search_space.space import FixedValues

Levels = NDArray[np.int16]  # (designs, axes), -1 where an axis has no effect
INACTIVE = -1


class UnknownValue(ValueError):
    """Parameters hold an axis or a value that the space does not have."""


@dataclass(frozen=True)
class Switches:
    """The axes of ``space`` with their values, in the order in which the space asks for them."""

    space: DesignSpace
    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    ordered: tuple[bool, ...]  # whether neighbouring values resemble each other
    distributions: Mapping[str, BaseDistribution]

    @classmethod
    def of(cls, space: DesignSpace) -> "Switches":
        """Read the axes of ``space``."""
        names, values, ordered, distributions = [], [], [], {}
        for axis, bounds in space.axes:
            recorder = _Recorder()
            bounds.suggest(recorder, axis.name)
            names.append(axis.name)
            values.append(tuple(bounds))
            ordered.append(len(values[-1]) > 2 and all(map(_is_number, values[-1])))
            distributions[axis.name] = recorder.distribution
        return cls(space, tuple(names), tuple(values), tuple(ordered), distributions)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of values of each axis."""
        return tuple(map(len, self.values))

    @cached_property
    def _positions(self) -> dict[str, tuple[int, dict[Any, int]]]:
        """Axis name → its column, and value → position; True and 1 are told apart."""
        return {
            name: (column, {_key(value): i for i, value in enumerate(values)})
            for column, (name, values) in enumerate(zip(self.names, self.values, strict=True))
        }

    def row(self, params: Mapping[str, Any]) -> Levels:
        """Return the switches, (axes,), of parameters; raises :class:`UnknownValue`."""
        row = np.full(len(self.names), INACTIVE, np.int16)
        for name, value in params.items():
            column, positions = self._positions.get(name, (None, {}))
            if column is None or _key(value) not in positions:
                raise UnknownValue(f"space {self.space.name!r} has no {name} = {value!r}")
            row[column] = positions[_key(value)]
        return row

    def params(self, row: Levels) -> dict[str, Any]:
        """Return the parameters of switches, (axes,), leaving out axes without effect."""
        pairs = zip(self.names, self.values, row, strict=True)
        return {name: values[level] for name, values, level in pairs if level != INACTIVE}

    @cached_property
    def _multipliers(self) -> NDArray[np.uint64]:
        drawn = np.random.default_rng(0).integers(1, 1 << 63, len(self.names), np.uint64)
        return np.asarray(drawn | np.uint64(1), np.uint64)

    def keys(self, levels: Levels) -> NDArray[np.uint64]:
        """Return a 64-bit hash of each row, (designs,), by which equal rows are found."""
        shifted = (levels.astype(np.int64) + 2).astype(np.uint64)
        return np.asarray((shifted * self._multipliers).sum(axis=1, dtype=np.uint64))

    def settle(self, row: Levels) -> tuple[Levels, Network]:
        """Return the switches with those without effect at -1, and their design.

        Raises :class:`search_space.errors.SpecError` where the values contradict each other.
        """
        asked = _Asked(self.params(row))
        network: Network = self.space.suggest(asked)
        return self.row(asked.used), network


class _Asked(FixedValues):
    """Answers with given values, and keeps those that were needed."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        object.__setattr__(self, "used", {})

    used: dict[str, Any]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """Return the given value."""
        self.used[name] = self.params[name]
        return int(self.params[name])

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None
    ) -> float:
        """Return the given value."""
        self.used[name] = self.params[name]
        return float(self.params[name])

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Return the given value."""
        self.used[name] = self.params[name]
        return self.params[name]


class _Recorder:
    """A trial that notes the Optuna distribution it is asked for."""

    distribution: BaseDistribution

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """Note a range of whole numbers."""
        self.distribution = IntDistribution(low, high, step=step)
        return low

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None
    ) -> float:
        """Note a range of numbers."""
        self.distribution = FloatDistribution(low, high, step=step)
        return low

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Note a list of choices."""
        self.distribution = CategoricalDistribution(choices)
        return choices[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _key(value: Any) -> Any:
    """A dictionary key that tells True from 1, and forgives the last digits of a float."""
    if isinstance(value, bool):
        return ("bool", value)
    return round(float(value), 9) if isinstance(value, (int, float)) else value
