"""`LatencySource`: the protocol that tables, estimates and calibrated devices share.

Studies, walks and the dashboard accept any of them. :func:`latency_db.sources.source_of` makes one
from a device's name and the user's tables.
"""

import hashlib
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from latency_db.latency import Latency
from search_space.network import Network

REVISION_DIGITS = 12


@runtime_checkable
class LatencySource(Protocol):
    """Milliseconds of a network on one device."""

    @property
    def name(self) -> str:
        """Origin of the numbers, for a figure's caption."""

    @property
    def device(self) -> str:
        """Device or chip that the numbers are for."""

    @property
    def revision(self) -> str:
        """Digest of the fit or the table behind the numbers; equal revisions predict equally."""

    def predict(self, network: Network) -> Latency:
        """Return the latency of one forward pass of ``network`` at batch 1.

        Where ``network`` stands for programs (:mod:`search_space.program`), that of all their
        calls: :func:`latency_db.latency_sum.added_up`, unless the source knows their correlation.
        """


def revision_of(parts: Iterable[str]) -> str:
    """Return the digest of what a source predicts from, 12 hex digits."""
    text = "\x1f".join(parts)
    return hashlib.sha256(text.encode()).hexdigest()[:REVISION_DIGITS]
