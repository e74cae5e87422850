"""Interpolate blocks that were not measured from the nearest that were.

Times of one kind of block roughly follow ``a + b·MACs + c·values moved + d·weights`` (non-negative,
fitted to relative errors). The three nearest measured blocks correct it locally. The interval holds
80 % of the errors that appear when each measured block is left out in turn.

>>> from search_space.blocks import ConvIn
>>> measured = [ConvIn(4, 64, 32), ConvIn(4, 320, 32), ConvIn(4, 96, 128)]
>>> near = nearest(ConvIn(4, 96, 32), measured, 2)
>>> [block.out_channels for block in near]
[64, 320]
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from latency_db.latency import INTERVAL, Latency
from latency_db.table import Entry
from search_space.blocks import Block
from search_space.cost import block_cost
from search_space.errors import WalkbenchError

NEIGHBOURS = 3
MIN_ENTRIES = 5  # of one kind: four parameters and one to be left out
MIN_SPREAD = 0.05  # no interpolation claims to know a block to better than this
_OTHER_CHOICE = 3.0  # a differing switch is as far as a factor of eight in a width
_LEFT_OUT_AT_MOST = 40  # blocks left out in turn, the nearest ones; bounds the cost of asking


def nearest(block: Block, measured: Iterable[Block], count: int) -> list[Block]:
    """Return the ``count`` measured blocks of the same kind that are most alike."""
    same = [other for other in measured if other.kind == block.kind]
    return sorted(same, key=lambda other: (distance(block, other), other.key))[:count]


def distance(one: Block, other: Block) -> float:
    """Return how unlike two blocks of one kind are: doublings between sizes, plus switches."""
    sizes, choices = _fields(one)
    other_sizes, other_choices = _fields(other)
    names = set(sizes) | set(other_sizes)
    gap = sum(
        abs(math.log2((1 + sizes.get(name, 0)) / (1 + other_sizes.get(name, 0)))) for name in names
    )
    switches = {name for name, value in choices.items() if other_choices.get(name) != value}
    return gap + _OTHER_CHOICE * len(switches)


def interpolate(block: Block, entries: Mapping[Block, Entry]) -> Latency:
    """Return a flagged guess at ``block`` from entries of its kind.

    Raises :class:`WalkbenchError` when fewer than five blocks of the kind were measured.
    """
    around = nearest(block, entries, _LEFT_OUT_AT_MOST)
    if len(around) < MIN_ENTRIES:
        raise WalkbenchError(
            f"{len(around)} blocks of kind {block.kind} were measured, {MIN_ENTRIES} are needed to "
            f"interpolate {block.key!r}; measure it or use --missing estimate"
        )
    times = {other: max(entries[other].ms, 1e-6) for other in around}
    ms = _guess(block, times)
    errors = []
    for other in around:
        without = {b: t for b, t in times.items() if b is not other}
        errors.append(abs(math.log(_guess(other, without) / times[other])))
    spread = max(float(np.quantile(errors, INTERVAL)), MIN_SPREAD)
    return Latency(ms, ms * math.exp(-spread), ms * math.exp(spread), 0.0, "estimated")


def _guess(block: Block, times: Mapping[Block, float]) -> float:
    """The model over the kind, corrected by how it does on the nearest blocks."""
    blocks = list(times)
    measured = np.array([times[b] for b in blocks])
    design = np.array([_work(b) for b in blocks])  # (blocks, 4)
    weights = _non_negative(design / measured[:, None])
    floor = 1e-3 * float(measured.min())
    local = 0.0
    total = 0.0
    for near in nearest(block, blocks, NEIGHBOURS):
        weight = 1 / (0.25 + distance(block, near)) ** 2
        local += weight * math.log(times[near] / max(float(_work(near) @ weights), floor))
        total += weight
    return max(float(_work(block) @ weights), floor) * math.exp(local / total)


def _non_negative(relative: "np.ndarray") -> "np.ndarray":
    """Solve ``relative @ w ≈ 1`` with ``w`` ≥ 0."""
    from scipy.optimize import nnls

    scale = np.maximum(relative.max(axis=0), 1e-30)
    solution: np.ndarray = np.asarray(nnls(relative / scale, np.ones(len(relative)))[0]) / scale
    return solution


@lru_cache(maxsize=1 << 14)
def _work(block: Block) -> "np.ndarray":
    cost = block_cost(block)
    return np.array([1.0, cost.macs, cost.moved_values, cost.params])


@lru_cache(maxsize=1 << 14)
def _fields(block: Block) -> tuple[dict[str, float], dict[str, Any]]:
    """Split a block's fields into sizes and choices, nested ones by their path."""
    sizes: dict[str, float] = {}
    choices: dict[str, Any] = {}

    def visit(value: Any, prefix: str) -> None:
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            if dataclasses.is_dataclass(item):
                visit(item, f"{prefix}{field.name}.")
            elif isinstance(item, (int, float)) and not isinstance(item, bool):
                sizes[prefix + field.name] = item
            else:
                choices[prefix + field.name] = item

    visit(block, "")
    return sizes, choices
