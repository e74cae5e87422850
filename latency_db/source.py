"""`LatencySource`: what every way of knowing a latency has in common.

A measured table, an estimate and a mixture of both are interchangeable to a study, a walk or a
dashboard: they name themselves and their device, and predict a spec.
:func:`latency_db.devices.latency_source` gives the best one that ships for a device.
"""

from typing import Protocol, runtime_checkable

from latency_db.latency import Latency
from search_space.spec import UNetSpec


@runtime_checkable
class LatencySource(Protocol):
    """Milliseconds of a spec on one device."""

    @property
    def name(self) -> str:
        """What the numbers come from, for a figure's caption."""

    @property
    def device(self) -> str:
        """The device or chip that the numbers are for."""

    def predict(self, spec: UNetSpec) -> Latency:
        """Return the latency of one forward pass of ``spec``, batch 1."""
