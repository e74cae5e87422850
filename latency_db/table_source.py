"""`TableSource`: latencies from a measured table, corrected by whole networks where it has them.

    ms = correction(price of a call + Σ blocks)

Measured blocks are added up; for blocks that the table lacks the source refuses, interpolates or
estimates (:mod:`latency_db.table_missing`). Five or more whole networks in the table fit an affine
correction (:mod:`latency_db.table_correction`), whose left-out errors give the interval. A network
none of whose blocks was measured is estimated as a whole, where the policy is to estimate.

>>> from latency_db.table_row import MeasuringConditions, Row
>>> from search_space.presets import named_spec
>>> spec = named_spec("sd15")
>>> rows = [Row.of(block.key, MeasuringConditions("iPhone 13"), {1: [1.5], 4: [4.5]}, run="a")
...         for block, _ in plan(spec).blocks()]
>>> latency = TableSource.of(Table.of(rows, "demo")).predict(spec)
>>> latency.ms, latency.coverage, latency.source  # 63 blocks of 1 ms, and 0.5 ms for the call
(63.5, 1.0, 'measured')
>>> part = TableSource.of(Table.of(rows[:3], "demo"), missing="estimate").predict(spec)
>>> part.source, 0 < part.coverage < 0.1
('mixed', True)
"""

import math
from dataclasses import dataclass
from functools import cached_property

from latency_db.devices import chip_of
from latency_db.estimate import ChipEstimate
from latency_db.latency import Latency, Source
from latency_db.latency_sum import added_up
from latency_db.source import revision_of
from latency_db.table import NetworkEntry, Table
from latency_db.table_correction import MIN_NETWORKS, Correction, fit_correction
from latency_db.table_missing import MissingEntry, guess_of
from latency_db.table_samples import NORMAL_QUANTILE
from latency_db.table_sum import BlockSum, Summation, missing_blocks
from search_space.blocks import Block
from search_space.errors import WalkbenchError
from search_space.network import Network
from search_space.plan import plan
from search_space.program import Program, is_several, programs_of

# Relative half-width of the interval of an uncorrected sum, for devices whose table holds too few
# whole networks to tell. On the one processor where whole networks were measured, nine of ten were
# within it, in the worst of three measurements of five passes each, the default of `measure`
# (passes_*_to_* in benchmarks/results/latency_sum.json).
UNCHECKED_SPREAD = 0.065
LEAST_MS = 1e-6  # of a block whose time was measured as nothing


MEASURED_BITS = 16  # what uncompressed weights are called, whatever the table's precision


@dataclass(frozen=True, eq=False)
class TableSource:
    """A table, a policy for the blocks it lacks, and the estimate behind that policy, if any."""

    table: Table
    missing: str
    summation: Summation
    estimate: ChipEstimate | None

    @classmethod
    def of(cls, table: Table, missing: str = "error", chip: str | None = None) -> "TableSource":
        """Return the source; ``chip`` is estimated for instead of the table's device.

        Raises :class:`WalkbenchError` for an unknown policy, and for "estimate" where neither
        ``chip`` nor the table's device is a known phone or chip.
        """
        guess = guess_of(missing, table, chip)
        estimate = None
        if missing == "estimate":
            estimate = ChipEstimate.of(chip_of(chip or table.device), table.device)
        return cls(table, missing, Summation(table, guess), estimate)

    @property
    def name(self) -> str:
        """Name of the table, and what fills its gaps."""
        fills = {"interpolate": ", gaps interpolated", "estimate": ", gaps estimated"}
        return f"table {self.table.name}{fills.get(self.missing, '')}"

    @property
    def device(self) -> str:
        """Device that was measured."""
        return self.table.device

    @cached_property
    def revision(self) -> str:
        """Digest of the entries, the whole networks, the policy and the estimate's own revision."""
        estimate = self.estimate.revision if self.estimate is not None else ""
        return revision_of((self.table.revision, self.missing, estimate))

    def predict(self, network: Network) -> Latency:
        """Return the latency of one forward pass of ``network`` at batch 1.

        That of a picture where ``network`` stands for several programs. Raises
        :class:`MissingEntry` for a block that the table lacks, under the policy "error", and
        :class:`WalkbenchError` for programs with compressed weights, which tables do not know.
        """
        if is_several(network):
            programs = programs_of(network)
            return added_up([(self._call(program), program.calls) for program in programs])
        if self.estimate is not None and self.correction is None and not self._knows(network):
            return self.estimate.predict(network)
        total = self._total(network)
        ms, scale, spread, doubt_ms = total.ms, 1.0, UNCHECKED_SPREAD, total.doubt_ms
        if self.correction is not None:
            ms = self.correction.apply(total.ms)
            scale, spread = self.correction.scale, self.correction.spread
            if self._correcting_with_gaps:  # then the spread already holds what guesses err by
                doubt_ms = 0.0
        random = NORMAL_QUANTILE * scale * math.sqrt(total.variance)
        half = math.hypot(random, spread * ms) + scale * doubt_ms
        source: Source = "mixed"
        if total.doubt_ms == 0:
            source = "measured"
        elif total.measured_ms == 0 and self.correction is None:
            source = "estimated"
        return Latency(ms, max(ms - half, 0.1 * ms), ms + half, total.coverage, source)

    def predict_block(self, block: Block) -> Latency:
        """Return what ``block`` adds to the sum, uncorrected.

        Raises :class:`MissingEntry` for a block that the table lacks, under the policy "error".
        """
        total = self.summation.of_block(block)
        ms = max(total.blocks_ms, LEAST_MS)
        random = NORMAL_QUANTILE * math.sqrt(total.variance)
        half = math.hypot(random, UNCHECKED_SPREAD * total.measured_ms) + total.doubt_ms
        source: Source = "mixed" if total.measured_ms else "estimated"
        if total.doubt_ms == 0:
            source = "measured"
        return Latency(ms, max(ms - half, 0.1 * ms), ms + half, total.coverage, source)

    def block_sum(self, network: Network) -> float | None:
        """Return the uncorrected sum with the price of one call; None where a block is missing."""
        try:
            return self._total(network).ms
        except MissingEntry:
            return None

    @cached_property
    def correction(self) -> Correction | None:
        """Affine correction by the table's whole networks, None with fewer than five."""
        entries = self._correcting
        if len(entries) < MIN_NETWORKS:
            return None
        sums = [self._total(entry.spec).ms for entry in entries]
        return fit_correction(sums, [entry.ms for entry in entries])

    @cached_property
    def _correcting(self) -> tuple[NetworkEntry, ...]:
        """Whole networks that correct sums: those without gaps, or all when those are too few."""
        networks = self.table.networks
        whole = tuple(entry for entry in networks if not missing_blocks(entry.spec, self.table))
        return networks if len(whole) < MIN_NETWORKS and self.estimate is not None else whole

    @cached_property
    def _correcting_with_gaps(self) -> bool:
        return any(missing_blocks(entry.spec, self.table) for entry in self._correcting)

    def _call(self, program: Program) -> Latency:
        if program.bits != MEASURED_BITS:
            raise WalkbenchError(
                f"table {self.table.name} holds weights as they were measured, not at "
                f"{program.bits} bits; leave the bits at {MEASURED_BITS}, or use an estimate"
            )
        return self.predict(program.network)

    def _total(self, network: Network) -> BlockSum:
        """Sum and price of a call; the whole estimate where no block was measured."""
        if self.estimate is not None and not self._knows(network):
            latency = self.estimate.predict(network)
            doubt_ms = max(latency.high - latency.ms, latency.ms - latency.low)
            return BlockSum(0.0, latency.ms, 0.0, 0.0, doubt_ms)
        return self.summation.of(network)

    def _knows(self, network: Network) -> bool:
        """Whether any block of ``network`` was measured."""
        return any(block in self.table.entries for block, _ in plan(network).blocks())
