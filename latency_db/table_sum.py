"""A network's latency as the sum of its blocks: measured entries, and guesses for the others.

A transformer stack is its projections and ``depth`` times one layer
(:meth:`search_space.blocks.Block.parts`). Sums are kept per plan segment, since candidates of a
search share most segments.

>>> from latency_db.table_missing import guess_of
>>> from latency_db.table_row import MeasuringConditions, Row
>>> from search_space.plan import plan
>>> from search_space.presets import named_spec
>>> spec = named_spec("sd15")
>>> rows = [Row.of(block.key, MeasuringConditions("cpu"), {1: [1.5], 4: [4.5]}, run="a")
...         for block, _ in plan(spec).blocks()]
>>> table = Table.of(rows, "demo")
>>> Summation(table, guess_of("error", table)).of(spec).ms  # 63 blocks of 1 ms, 0.5 ms a call
63.5
"""

from dataclasses import dataclass, field

from latency_db.table import Table
from latency_db.table_missing import Guess
from search_space.blocks import Block
from search_space.network import Network
from search_space.plan import Segment, Step, plan


@dataclass(frozen=True)
class BlockSum:
    """Added-up blocks, and the price of one call.

    ``variance`` is that of the measured entries, ms². ``doubt_ms`` adds up the half-widths of the
    guesses, as guesses at similar blocks err together.
    """

    call_ms: float
    blocks_ms: float
    variance: float
    measured_ms: float
    doubt_ms: float

    @property
    def ms(self) -> float:
        """Milliseconds of the call and its blocks."""
        return self.call_ms + self.blocks_ms

    @property
    def coverage(self) -> float:
        """Share of the blocks' milliseconds that was measured."""
        if self.doubt_ms == 0:
            return 1.0
        return min(self.measured_ms / self.blocks_ms, 1.0)


@dataclass(frozen=True, eq=False)
class Summation:
    """Sums over one table under one policy for missing blocks; remembers plan segments."""

    table: Table
    guess: Guess
    segments: dict[Segment, BlockSum] = field(default_factory=dict, repr=False)

    def of(self, network: Network) -> BlockSum:
        """Return the sum over the blocks of ``network``."""
        ms = variance = measured = doubt = 0.0
        for segment in plan(network).segments:
            part = self.segments.get(segment)
            if part is None:
                part = self.segments[segment] = self._segment(segment)
            ms += part.blocks_ms
            variance += part.variance
            measured += part.measured_ms
            doubt += part.doubt_ms
        return BlockSum(self.table.floor_ms, ms, variance, measured, doubt)

    def of_block(self, block: Block) -> BlockSum:
        """Return the sum over the parts of one block, without the price of a call."""
        return self._segment(Segment((Step("block", block),)))

    def _segment(self, segment: Segment) -> BlockSum:
        ms = variance = measured = doubt = 0.0
        for step in segment.steps:
            for block, count in step.block.parts():
                entry = self.table.entries.get(block)
                if entry is not None:
                    ms += count * entry.ms
                    measured += count * entry.ms
                    variance += (count * entry.deviation_ms) ** 2
                else:
                    guess = self.guess(block)
                    ms += count * guess.ms
                    doubt += count * max(guess.high - guess.ms, guess.ms - guess.low)
        return BlockSum(0.0, ms, variance, measured, doubt)


def missing_blocks(network: Network, table: Table) -> list[Block]:
    """Return the blocks of ``network`` that ``table`` lacks, in forward order, each once."""
    return list(dict.fromkeys(b for b, _ in plan(network).blocks() if b not in table.entries))
