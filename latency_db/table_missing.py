"""What to do about blocks that a table lacks: refuse, interpolate, or estimate.

A policy turns a block and a table into a guess with an interval. Guesses lower a prediction's
coverage and widen its interval.

>>> sorted(POLICIES)
['error', 'estimate', 'interpolate']
"""

from collections.abc import Callable
from typing import Literal

from latency_db.devices import chip_of
from latency_db.estimate import estimate_block
from latency_db.latency import Latency
from latency_db.table import Table
from latency_db.table_interpolation import interpolate, nearest
from search_space.blocks import Block
from search_space.errors import WalkbenchError, raise_unknown

Policy = Literal["error", "interpolate", "estimate"]
POLICIES: tuple[Policy, ...] = ("error", "interpolate", "estimate")
Guess = Callable[[Block], Latency]


class MissingEntry(WalkbenchError):
    """A block that a table does not hold."""


def guess_of(policy: str, table: Table, chip: str | None = None) -> Guess:
    """Return the function that ``policy`` applies to blocks that ``table`` lacks.

    ``chip`` is the chip to estimate for; by default that of the table's device. Raises
    :class:`WalkbenchError` for an unknown policy, and for "estimate" without a known chip.
    """
    if policy == "error":
        return lambda block: _refuse(block, table)
    if policy == "interpolate":
        return lambda block: interpolate(block, table.entries)
    if policy == "estimate":
        name = chip_of(chip or table.device)
        return lambda block: estimate_block(block, name)
    raise_unknown("policy for missing entries", policy, POLICIES)


def _refuse(block: Block, table: Table) -> Latency:
    near = "; ".join(table.entries[other].key for other in nearest(block, table.entries, 3))
    hint = f"nearest measured: {near}" if near else f"no {block.kind} was measured"
    raise MissingEntry(
        f"table {table.name} has no entry for {block.key!r}; {hint}; measure it with "
        "`walkbench latency measure --resume`, or accept --missing interpolate or estimate"
    )
