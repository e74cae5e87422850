"""Draw designs from a space at random: each axis uniform, the same designs for the same seed.

>>> from search_space.space import SearchSpace
>>> first, second = draw(SearchSpace.load("snapgen"), 2, seed=0)
>>> first != second, draw(SearchSpace.load("snapgen"), 1, seed=0) == [first]
(True, True)
>>> len(set(draw_distinct(SearchSpace.load("snapgen"), 3, seed=7)))
3
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from search_space.bounds import Trial
from search_space.errors import SpecError, WalkbenchError
from search_space.space import SearchSpace
from search_space.spec import UNetSpec

TRIES = 100  # attempts per design; axes that contradict each other more often are a mistake

V = TypeVar("V")


@dataclass
class RandomValues:
    """A trial that answers at random and records its answers in ``params``."""

    random: random.Random
    params: dict[str, Any] = field(default_factory=dict)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """Return a uniform integer of ``low … high`` in steps."""
        return self._keep(name, self.random.randrange(low, high + 1, step))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None
    ) -> float:
        """Return a uniform float of ``low … high``, in steps when given."""
        if step is None:
            return self._keep(name, self.random.uniform(low, high))
        return self._keep(name, low + step * self.random.randint(0, round((high - low) / step)))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Return one of ``choices``."""
        return self._keep(name, self.random.choice(list(choices)))

    def _keep(self, name: str, value: V) -> V:
        self.params[name] = value
        return value


class Suggests(Protocol):
    """Any space."""

    def suggest(self, trial: Trial) -> Any:
        """Return a design from a trial's answers."""


def draw(space: Suggests, number: int, seed: int) -> list[Any]:
    """Return ``number`` designs of ``space``; a longer list begins with a shorter one's designs."""
    source = random.Random(seed)
    return [space.suggest(RandomValues(source)) for _ in range(number)]


def draw_distinct(
    space: SearchSpace, count: int, seed: int, without: Iterable[UNetSpec] = ()
) -> list[UNetSpec]:
    """Return ``count`` different designs drawn uniformly over the axes of ``space``.

    Designs in ``without`` are left out. The seed is combined with the space's digest, so that
    equal seeds draw different designs from different spaces.

    Raises :class:`WalkbenchError` if the space does not yield that many.
    """
    generator = random.Random(f"{space.digest()}-{seed}")
    left_out = set(without)
    found: dict[UNetSpec, None] = {}
    for _ in range(TRIES * max(count, 1)):
        if len(found) == count:
            break
        try:
            drawn = space.suggest(RandomValues(generator))
        except SpecError:
            continue  # axes that contradict each other; drawn again
        if drawn not in left_out:
            found[drawn] = None
    if len(found) < count:
        raise WalkbenchError(
            f"space {space.name!r} gave only {len(found)} different designs; ask for fewer"
        )
    return list(found)
