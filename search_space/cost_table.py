"""`cost_rows(network)`: the cost of a network by distinct block; `step_costs` by place in it.

>>> from search_space.cost import cost
>>> from search_space.presets import named_spec
>>> spec = named_spec("snapgen-t2i")
>>> rows = cost_rows(spec)
>>> sum(row.macs for row in rows) == cost(spec).macs
True
>>> sum(step.params for step in step_costs(spec)) == cost(spec).params
True
>>> max(rows, key=lambda row: row.params).block.split()[0]
'transformer_layer'
"""

from collections import Counter
from dataclasses import dataclass

from search_space.blocks import Block
from search_space.cost import BYTES_PER_VALUE, block_cost
from search_space.network import Network


@dataclass(frozen=True)
class CostRow:
    """A distinct block, how often it occurs, and the total cost of its occurrences."""

    block: str
    count: int
    params: int
    macs: int
    weight_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class StepCost:
    """What one step of a plan costs; ``path`` is its place, ``part`` the segment it is in."""

    path: str
    part: str
    block: Block
    params: int
    macs: int


def step_costs(network: Network) -> list[StepCost]:
    """Return one row per step in forward order; the columns sum to the totals."""
    rows = []
    for path, step in network.plan().steps():
        parts = [(block_cost(block), count) for block, count in step.block.parts()]
        params = sum(count * one.params for one, count in parts)
        macs = sum(count * one.macs for one, count in parts)
        rows.append(StepCost(path, path.partition(".")[0], step.block, params, macs))
    return rows


def cost_rows(network: Network) -> list[CostRow]:
    """Return one row per distinct block, in order of first use; the columns sum to the totals.

    ``block`` is the key that latency tables use. A transformer stack appears as its projections
    and its layer.
    """
    counts: Counter[Block] = Counter()
    for block, count in network.plan().blocks():
        counts[block] += count
    rows = []
    for block, count in counts.items():
        one = block_cost(block)
        params, moved = count * one.params, count * one.moved_values
        weight_bytes, activation_bytes = params * BYTES_PER_VALUE, moved * BYTES_PER_VALUE
        macs = count * one.macs
        rows.append(CostRow(block.key, count, params, macs, weight_bytes, activation_bytes))
    return rows
