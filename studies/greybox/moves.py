"""Changes of several switches at once: the steps of the design walk, and one field at all stages.

One switch at a time cannot follow a step such as "FFN ratio 4 to 3 at every stage" when the space
has an axis for each stage.

>>> from search_space.space import SearchSpace
>>> switches = Switches.of(SearchSpace.load("pocket"))
>>> any({"conv.0", "conv.1", "conv.2"} == set(move) for move in named_moves(switches))
True
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from search_space.presets import FAMILIES, walk_specs
from search_space.space import OutsideSpace, SearchSpace
from studies.greybox.switches import INACTIVE, Levels, Switches


def moves(switches: Switches) -> Levels:
    """Return the moves as switches, (moves, axes), -1 where a move changes nothing."""
    rows = [switches.row(move) for move in named_moves(switches)]
    return (
        np.unique(np.stack(rows), axis=0) if rows else np.empty((0, len(switches.names)), np.int16)
    )


def named_moves(switches: Switches) -> Iterator[Mapping[str, Any]]:
    """Yield every move as axis → value; each changes two axes or more."""
    for prefix, space in switches.space.networks:
        yield from _one_field_everywhere(switches, prefix)
        for move in _steps_of_the_walk(space):
            yield {prefix + name: value for name, value in move.items()}


def _steps_of_the_walk(space: SearchSpace) -> Iterator[Mapping[str, Any]]:
    """Yield what each step changes, forth and back, where both its ends lie in ``space``."""
    for family in FAMILIES.values():
        before: dict[str, Any] | None = None
        for spec in walk_specs(family).values():
            try:
                after = space.params_of(spec)
            except OutsideSpace:
                before = None
                continue
            if before is not None:
                for source, target in ((before, after), (after, before)):
                    changed = {k: v for k, v in target.items() if source.get(k, v) != v}
                    if len(changed) > 1:
                        yield changed
            before = after


def _one_field_everywhere(switches: Switches, prefix: str) -> Iterator[Mapping[str, Any]]:
    """Yield each value that all axes of one field, such as ``conv.0`` and ``conv.1``, may take."""
    groups: dict[str, list[int]] = defaultdict(list)
    for column, name in enumerate(switches.names):
        if name.startswith(prefix):
            groups[name.removeprefix(prefix).partition(".")[0]].append(column)
    for columns in groups.values():
        shared = [
            v for v in switches.values[columns[0]] if all(v in switches.values[c] for c in columns)
        ]
        if len(columns) > 1:
            for value in shared:
                yield {switches.names[c]: value for c in columns}


def apply(levels: Levels, move: Levels) -> Levels:
    """Return ``levels``, (designs, axes), with the switches that ``move``, (axes,), names."""
    return np.where(move[None, :] == INACTIVE, levels, move[None, :]).astype(np.int16)
