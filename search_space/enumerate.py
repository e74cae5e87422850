"""Every design of a space, in a fixed order: the odometer over the choices that `suggest` asks for.

Axes that have no effect are not asked for, so each design comes exactly once.

>>> from search_space.space import SearchSpace
>>> space = SearchSpace.load("pocket").fix(
...     {name: ["dense"] for name in ("conv.0", "conv.1", "conv.2")} | {"depth.0.down": 0}
... )
>>> first = next(enumerate_params(space))
>>> first["sampler"], first["mid"]
('dense', False)
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from search_space.errors import SpecError
from search_space.space import SearchSpace
from search_space.spec import UNetSpec


@dataclass
class _Odometer:
    """A trial that answers with the choices of given positions, then always with the first."""

    positions: list[int]
    sizes: list[int] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """Return the integer at the wheel's position."""
        return int(self._turn(name, range(low, high + 1, step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None
    ) -> float:
        """Return the float at the wheel's position; ``step`` is needed."""
        if step is None:
            raise ValueError(f"axis {name!r} is continuous and cannot be enumerated")
        count = round((high - low) / step) + 1
        return float(self._turn(name, [low + i * step for i in range(count)]))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Return the choice at the wheel's position."""
        return self._turn(name, list(choices))

    def _turn(self, name: str, values: Any) -> Any:
        wheel = len(self.sizes)
        if wheel == len(self.positions):
            self.positions.append(0)
        self.sizes.append(len(values))
        self.params[name] = values[self.positions[wheel]]
        return self.params[name]

    def next(self) -> list[int] | None:
        """Return the positions after these, None after the last."""
        positions = self.positions[: len(self.sizes)]
        while positions and positions[-1] + 1 == self.sizes[len(positions) - 1]:
            positions.pop()
        return [*positions[:-1], positions[-1] + 1] if positions else None


def enumerate_designs(space: SearchSpace) -> Iterator[tuple[dict[str, Any], UNetSpec]]:
    """Yield the parameters and the spec of every design; contradictory ones are left out."""
    positions: list[int] | None = []
    while positions is not None:
        wheels = _Odometer(positions)
        try:
            spec = space.suggest(wheels)
        except SpecError:
            pass
        else:
            yield wheels.params, spec
        positions = wheels.next()


def enumerate_params(space: SearchSpace) -> Iterator[dict[str, Any]]:
    """Yield the parameters of every design."""
    return (params for params, _ in enumerate_designs(space))
