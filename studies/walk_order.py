"""Exact Shapley values of ordered edits: what each step of a walk contributes, whatever the order.

The paper applies its steps in one order and prints what each one changes. What a step changes
depends on what came before it; its Shapley value is the mean change over all orders. The edits of a
subset are applied in the walk's order, so 2^n designs decide n steps.

>>> effect = lambda chosen: 10.0 * ("a" in chosen) + 4.0 * ({"a", "b"} <= chosen)
>>> shapley_values([effect(set(subset)) for subset in subsets(("a", "b"))])
[12.0, 2.0]
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import factorial
from typing import TypeVar

from latency_db.source import LatencySource
from search_space.cost import cost
from search_space.presets import FAMILIES, WALK, WalkStep, walk_specs
from search_space.spec import UNetSpec

T = TypeVar("T")


def subsets(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Yield the 2^n subsets; the place of a subset is the sum of 2^i over its items."""
    for place in range(1 << len(items)):
        yield tuple(item for i, item in enumerate(items) if place >> i & 1)


def shapley_values(values: Sequence[float]) -> list[float]:
    """Return what each item changes on average over all orders; exact for whole numbers.

    ``values`` are those of the subsets in the order of :func:`subsets`.
    """
    items = len(values).bit_length() - 1
    found = []
    for item in range(items):
        total: float = 0
        for place, value in enumerate(values):
            size = place.bit_count()
            if place >> item & 1:
                total += factorial(size - 1) * factorial(items - size) * value
            else:
                total -= factorial(size) * factorial(items - size - 1) * value
        found.append(total / factorial(items))
    return found


def ordered_changes(values: Sequence[float]) -> list[float]:
    """Return what each item changes after all before it."""
    items = len(values).bit_length() - 1
    return [values[(1 << item + 1) - 1] - values[(1 << item) - 1] for item in range(items)]


def marginal_changes(values: Sequence[float], item: int) -> list[float]:
    """Return what ``item`` changes after each set of the others."""
    places = (place for place in range(len(values)) if not place >> item & 1)
    return [values[place | 1 << item] - values[place] for place in places]


@dataclass(frozen=True)
class StepShare:
    """What one step of the walk changes of one metric, in the metric's unit."""

    step: str
    metric: str
    in_order: float  # after the steps before it, as the paper applies them
    mean: float  # over all orders: the Shapley value
    least: float  # over all sets of steps that may come before it
    most: float


def walk_shares(family: str, latency: LatencySource | None = None) -> list[StepShare]:
    """Return the shares of every step after the first in params, MACs and latency; exact.

    They add up to what the whole walk changes. 512 designs are priced.
    """
    steps = WALK[1:]
    priced = [price(design, latency) for design in walk_subsets(family)]
    shares = []
    for metric in priced[0]:
        values = [row[metric] for row in priced]
        changes = zip(ordered_changes(values), shapley_values(values), strict=True)
        for i, (step, (ordered, mean)) in enumerate(zip(steps, changes, strict=True)):
            every = marginal_changes(values, i)
            shares.append(StepShare(step.name, metric, ordered, mean, min(every), max(every)))
    return shares


def walk_subsets(family: str) -> list[UNetSpec]:
    """Return the design of every subset of the walk's steps, applied to SDXL in their order."""
    chosen = FAMILIES[family]
    start = walk_specs(chosen)[WALK[0].name]

    def applied(steps: tuple[WalkStep, ...]) -> UNetSpec:
        spec = start
        for step in steps:
            spec = step.edit(spec, chosen)
        return spec

    return [applied(steps) for steps in subsets(WALK[1:])]


def price(design: UNetSpec, latency: LatencySource | None) -> dict[str, float]:
    """Return what a design costs, by metric."""
    priced = cost(design)
    found: dict[str, float] = {"params": priced.params, "macs": priced.macs}
    return found if latency is None else {"latency_ms": latency.predict(design).ms, **found}
