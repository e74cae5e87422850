"""The candidates of one trial: random designs, and mutations and crossovers of the front.

>>> from search_space.space import SearchSpace
>>> from studies.greybox.moves import moves
>>> switches = Switches.of(SearchSpace.load("pocket"))
>>> front = np.zeros((2, len(switches.names)), np.int16)
>>> rng = np.random.default_rng(0)
>>> rows = candidates(switches, moves(switches), front, PoolSize(fresh=10), rng)
>>> len(rows) > 100, bool((rows >= 0).all())
(True, True)
"""

from dataclasses import dataclass

import numpy as np

from studies.greybox.moves import apply
from studies.greybox.switches import INACTIVE, Levels, Switches


@dataclass(frozen=True)
class PoolSize:
    """How many candidates of each sort a trial looks at; ``base`` are the same for all trials."""

    base: int = 1024
    fresh: int = 256  # random, new for each trial
    single: int = 1024  # one switch changed, of all that the front's designs allow
    moved: int = 256  # several switches changed together, as the walk does
    double: int = 384  # two or three switches changed at random
    crossed: int = 384  # each switch from one of two designs of the front


def random_designs(switches: Switches, number: int, rng: np.random.Generator) -> Levels:
    """Return switches drawn uniformly, (number, axes), those without effect not yet settled."""
    columns = [rng.integers(0, size, number) for size in switches.sizes]
    return np.stack(columns, axis=1).astype(np.int16)


def candidates(
    switches: Switches, moves: Levels, front: Levels, size: PoolSize, rng: np.random.Generator
) -> Levels:
    """Return unsettled candidates, (candidates, axes), from ``front``, (designs, axes).

    ``moves`` are those of :func:`studies.greybox.moves.moves`.
    """
    parts = [random_designs(switches, size.fresh, rng)]
    if len(front):
        parts += [
            _some(_single(switches, _filled(switches, front, rng)), size.single, rng),
            _some(_moved(moves, _filled(switches, front, rng)), size.moved, rng),
            _mutated(switches, front, size.double, rng),
            _crossed(switches, front, size.crossed, rng),
        ]
    rows = np.concatenate(parts)
    return rows[np.unique(switches.keys(rows), return_index=True)[1]]


def _filled(switches: Switches, rows: Levels, rng: np.random.Generator) -> Levels:
    """Give switches without effect a random value, for the case that a change switches them on."""
    return np.where(rows == INACTIVE, random_designs(switches, len(rows), rng), rows)


def _single(switches: Switches, rows: Levels) -> Levels:
    """Every change of one switch of every design."""
    found = []
    for column, size in enumerate(switches.sizes):
        for level in range(size):
            changed = rows[rows[:, column] != level].copy()
            changed[:, column] = level
            found.append(changed)
    return np.concatenate(found)


def _moved(moves: Levels, rows: Levels) -> Levels:
    found = [apply(rows, move) for move in moves]
    return np.concatenate(found) if found else rows[:0]


def _mutated(switches: Switches, front: Levels, number: int, rng: np.random.Generator) -> Levels:
    rows = _filled(switches, front[rng.integers(0, len(front), number)], rng)
    drawn = random_designs(switches, number, rng)
    for _ in range(2):
        column = rng.integers(0, len(switches.names), number)
        rows[np.arange(number), column] = drawn[np.arange(number), column]
    half = rng.random(number) < 0.5
    column = rng.integers(0, len(switches.names), number)
    rows[half, column[half]] = drawn[half, column[half]]
    return rows


def _crossed(switches: Switches, front: Levels, number: int, rng: np.random.Generator) -> Levels:
    mothers = _filled(switches, front[rng.integers(0, len(front), number)], rng)
    fathers = _filled(switches, front[rng.integers(0, len(front), number)], rng)
    return np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)


def _some(rows: Levels, number: int, rng: np.random.Generator) -> Levels:
    return rows if len(rows) <= number else rows[rng.choice(len(rows), number, replace=False)]
