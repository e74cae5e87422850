"""Rough duration of a measurement, before anything has been measured.

>>> from search_space.blocks import ConvIn
>>> seconds = seconds_by_block([ConvIn(4, 320, 128)], "onnxruntime")
>>> 0 < seconds[ConvIn(4, 320, 128)] < 60
True
"""

from collections.abc import Iterable

from latency_db.backends.backend import backend_class
from latency_db.builder import Effort
from search_space.blocks import Block
from search_space.cost import block_cost


def seconds_by_block(
    blocks: Iterable[Block], backend: str, effort: Effort | None = None
) -> dict[Block, float]:
    """Return rough seconds per block: making both graphs once, running them in every round."""
    kind = backend_class(backend)
    macs_per_s, values_per_s = kind.rates
    effort = effort or Effort()
    copies = effort.copies or kind.copies
    runs = effort.passes * (effort.rounds * effort.samples + effort.warm_up)
    out = {}
    for block in blocks:
        cost = block_cost(block)
        once = cost.macs / macs_per_s + (cost.moved_values + cost.params) / values_per_s
        out[block] = len(copies) * kind.seconds_per_graph + runs * sum(copies) * once
    return out
