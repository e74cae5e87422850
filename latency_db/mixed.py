"""A measured table where it has entries, the estimate where it has holes.

A table of the user's own phone is worth more than any estimate, block by block: measured entries
win, estimates fill the holes, and ``coverage`` says what share of the milliseconds was measured.
Where the table also holds whole networks, five or more, they correct the sum, measured or not, by
`offset + scale × sum`, and the interval is the one that predicting each by the others gives.

>>> from latency_db.table import Table
>>> from latency_db.table_row import Conditions, Row
>>> from search_space.plan import plan
>>> from search_space.presets import named_spec
>>> spec = named_spec("sd15")
>>> block = next(plan(spec).blocks())[0]
>>> row = Row.of(block.key, Conditions("iPhone 13"), {1: [1.5], 4: [4.5]}, run="a")
>>> table = Table.of([row], "own")
>>> latency = MixedSource.of(table).predict(spec)
>>> latency.source, 0 < latency.coverage < 0.1
('mixed', True)
"""

import dataclasses
from dataclasses import dataclass
from functools import cached_property

from latency_db.devices import chip_of
from latency_db.estimate import ChipEstimate, estimate_block
from latency_db.latency import Latency, Source
from latency_db.lookup import predict
from latency_db.table import Table
from latency_db.table_correction import MIN_NETWORKS, Correction, fit_correction
from search_space.block import Block
from search_space.plan import plan
from search_space.spec import UNetSpec


@dataclass(frozen=True, eq=False)
class MixedSource:
    """A table, and the estimate of the chip it was measured on."""

    table: Table
    chip: str

    @classmethod
    def of(cls, table: Table, chip: str | None = None) -> "MixedSource":
        """Return the mixture; the chip is that of the table's device unless given.

        Raises :class:`WalkbenchError` when neither names a known phone or chip.
        """
        return cls(table, chip_of(chip or table.device))

    @property
    def name(self) -> str:
        """What the numbers come from."""
        return f"table {self.table.name}, holes estimated"

    @property
    def device(self) -> str:
        """The device that was measured."""
        return self.table.device

    def predict(self, spec: UNetSpec) -> Latency:
        """Return the latency of one forward pass: measured, estimated, or some of each."""
        bare = self._uncorrected(spec)
        correction = self.correction
        if correction is None:
            return bare
        ms = correction.apply(bare.ms)
        low, high = ms / (1 + correction.spread), ms * (1 + correction.spread)
        source: Source = "measured" if bare.coverage == 1 else "mixed"
        return Latency(ms, low, high, bare.coverage, source)

    @cached_property
    def correction(self) -> Correction | None:
        """The affine correction by the table's own networks, None with fewer than five."""
        networks = self.table.networks
        if len(networks) < MIN_NETWORKS:
            return None
        sums = [self._uncorrected(network.spec).ms for network in networks]
        return fit_correction(sums, [network.ms for network in networks])

    @cached_property
    def _bare(self) -> Table:
        """The table without its networks, so that the sum is corrected once, here."""
        return dataclasses.replace(self.table, networks=(), segments={})

    def _uncorrected(self, spec: UNetSpec) -> Latency:
        entries = self.table.entries
        if not entries or not any(block in entries for block, _ in plan(spec).blocks()):
            return ChipEstimate.of(self.chip, self.device).predict(spec)
        return predict(spec, self._bare, self._estimated)

    def _estimated(self, block: Block) -> Latency:
        return estimate_block(block, self.chip)
