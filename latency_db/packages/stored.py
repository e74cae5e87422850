"""Bytes of stored weights at any number of bits, block by block, and what an app needs for them.

Matrices are stored at the bits that were asked for, biases and norms at 16, as
:func:`latency_db.packages.parts.sizes_at` counts them.

>>> from search_space.presets import named_spec
>>> stored_bytes(named_spec("sd15"), 16)
1719041928
"""

from functools import lru_cache

import torch

from latency_db.packages.parts import PHONE_LIMIT, cut, sizes_at
from latency_db.packages.phone_check import WITHOUT_LIMIT_BITS
from search_space.blocks import Block
from search_space.cost import cost
from search_space.errors import WalkbenchError
from search_space.modules import build
from search_space.network import Network
from search_space.program import Program, programs_of


def stored_bytes(network: Network, bits: int) -> int:
    """Return the bytes of a network's weights on disk; of all programs where it is several."""
    return sum(_network_bytes(one.network, bits) for one in programs_of(network))


def _network_bytes(network: Network, bits: int) -> int:
    return sum(count * _block_bytes(block, bits) for block, count in network.plan().blocks())


@lru_cache(maxsize=1 << 16)
def _block_bytes(block: Block, bits: int) -> int:
    with torch.device("meta"):
        return sizes_at(bits)(build(block))


def loaded_bytes(program: Program) -> int:
    """Return the bytes of a program while it runs: its weights, and its activations at peak."""
    return stored_bytes(program.network, program.bits) + cost(program.network).peak_activation_bytes


def resident_bytes(network: Network) -> int:
    """Return the bytes of an app that keeps every program loaded and runs one at a time."""
    programs = programs_of(network)
    weights = sum(stored_bytes(one.network, one.bits) for one in programs)
    return weights + max(cost(one.network).peak_activation_bytes for one in programs)


def packages_needed(program: Program) -> int | None:
    """Return the parts that a program is cut into for a phone; None where a step is too large."""
    size = stored_bytes(program.network, program.bits)
    if size <= PHONE_LIMIT or program.bits <= WITHOUT_LIMIT_BITS:
        return 1
    try:
        return len(cut(program.network, sizes_at(program.bits)))
    except WalkbenchError:
        return None
