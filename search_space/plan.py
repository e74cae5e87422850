"""`Plan`: a network as the list of its blocks in forward order.

Everything downstream reads the list: :class:`search_space.modules.network.PlannedNetwork` builds
and runs it, :func:`search_space.cost.cost` prices it, latency tables look its blocks up. A step
says which block runs, which values it reads and which it leaves:

- ``x`` is the feature map that one step hands to the next; the last step's is the network's output.
- ``skip`` takes the newest saved feature map; a step that ``push``es saves what it leaves.
- Any other name is an input of the network, or what an earlier step left under that name.

The list is cut into segments. Candidates of a search differ in few stages, so segments are built
once per distinct content and shared; whoever prices a plan caches per segment.

>>> from search_space.presets import named_spec
>>> steps = dict(plan(named_spec("snapgen-t2i")).steps())
>>> list(steps)[:6]
['input.time', 'input.conv_in', 'down0.stack0', 'down0.stack1', 'down0.downsample', 'down1.res0']
>>> steps["input.time"].leaves, steps["up0.res0"].reads
('time', ('x', 'skip', 'time'))
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from search_space.blocks.block import Block, Input
from search_space.frozen import frozen

SKIP = "skip"


@lru_cache(maxsize=1 << 17)
def _one_of_a_kind(block: Block) -> Block:
    """Return the first block that was equal to ``block``."""
    return block


@frozen
class Step:
    """One block at one place: what it reads, what it leaves, and whether that becomes a skip.

    ``reads`` names a value for each of the block's arguments, in their order; by default the value
    of the same name. ``adds``: the output is added to the value of that name.
    """

    name: str
    block: Block
    reads: tuple[str, ...] = ()
    leaves: str = "x"
    adds: bool = False
    push: bool = False
    pop: bool = field(init=False)  # whether it takes the newest skip

    def __post_init__(self) -> None:
        # Equal blocks become one object, so that later look-ups compare none field by field.
        block = _one_of_a_kind(self.block)
        object.__setattr__(self, "block", block)
        if not self.reads:
            object.__setattr__(self, "reads", block.arguments)
        object.__setattr__(self, "pop", SKIP in self.reads)


@frozen
class Segment:
    """Consecutive steps that candidates share as a whole."""

    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Plan:
    """Named segments in forward order, and the inputs of the network by name."""

    names: tuple[str, ...]
    segments: tuple[Segment, ...]
    inputs: tuple[tuple[str, Input], ...]

    def steps(self) -> Iterator[tuple[str, Step]]:
        """Yield ``(path, step)`` in forward order; the path is the module's name in a network."""
        for name, segment in zip(self.names, self.segments, strict=True):
            for step in segment.steps:
                yield f"{name}.{step.name}", step

    def blocks(self) -> Iterator[tuple[Block, int]]:
        """Yield every priced part with its count, in forward order, repetitions included."""
        for _, step in self.steps():
            yield from step.block.parts()


class Planned(Protocol):
    """Anything that has a plan; every :class:`search_space.network.Network` does."""

    def plan(self) -> Plan:
        """Return the blocks in forward order."""


def plan(network: Planned) -> Plan:
    """Return the blocks of ``network`` in forward order."""
    return network.plan()
