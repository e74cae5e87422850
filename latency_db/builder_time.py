"""How long a measurement will take, roughly, before anything has been measured.

>>> from search_space.block import ConvIn
>>> seconds = seconds_by_block([ConvIn(4, 320, 128)], "onnxruntime")
>>> 0 < seconds[ConvIn(4, 320, 128)] < 60
True
"""

from collections.abc import Iterable

from latency_db.backends.backend import backend_class
from latency_db.builder import Effort
from search_space.block import Block
from search_space.cost import block_cost

# MACs and moved values per second, to an order of magnitude: one core of a laptop's processor, and
# an iPhone's Neural Engine (2 TMAC/s and 20 GB/s of 2-byte values, as published rows imply).
_RATES = {"onnxruntime": (3e10, 1e9), "torch": (3e10, 1e9)}
_PHONE = (2e12, 1e10)


def seconds_by_block(
    blocks: Iterable[Block], backend: str, effort: Effort | None = None
) -> dict[Block, float]:
    """Return rough seconds per block: making both graphs once, running them in every round."""
    kind = backend_class(backend)
    macs_per_s, values_per_s = _RATES.get(backend, _PHONE)
    effort = effort or Effort()
    copies = effort.copies or kind.copies
    runs = effort.passes * (effort.rounds * effort.samples + effort.warm_up)
    out = {}
    for block in blocks:
        cost = block_cost(block)
        once = cost.macs / macs_per_s + (cost.moved_values + cost.params) / values_per_s
        out[block] = len(copies) * kind.seconds_per_graph + runs * sum(copies) * once
    return out
