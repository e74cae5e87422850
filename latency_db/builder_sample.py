"""Random designs of a space, the same for everyone who names the same seed.

>>> from search_space.space import SearchSpace
>>> designs = sample(SearchSpace.load("snapgen"), 3, seed=7)
>>> len(designs), designs == sample(SearchSpace.load("snapgen"), 3, seed=7)
(3, True)
"""

import random
from collections.abc import Iterable

from search_space.errors import SpecError, WalkbenchError
from search_space.sample import RandomValues
from search_space.space import SearchSpace
from search_space.spec import UNetSpec

TRIES = 100  # per design wanted; a space that contradicts itself more often is broken


def sample(
    space: SearchSpace, count: int, seed: int, without: Iterable[UNetSpec] = ()
) -> list[UNetSpec]:
    """Return ``count`` different designs drawn uniformly over the axes of ``space``.

    None of them is one of ``without``, such as designs that somebody chose by hand.

    Raises :class:`WalkbenchError` when the space has not that many.
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
