"""`step_latencies(source, network)`: what each step of a network's plan takes, one by one.

A network is not the sum of its steps: weights are read while earlier blocks compute, and a table
corrects its sum by whole networks. The steps say where the time goes, the prediction how much.

>>> from latency_db.sources import source_of
>>> from search_space.presets import named_spec
>>> source, spec = source_of("A17 Pro"), named_spec("F/mqa")
>>> steps = step_latencies(source, spec)
>>> steps[0].path, steps[0].latency.source
('input.time', 'estimated')
>>> sum(step.latency.ms for step in steps) > 0.9 * source.predict(spec).ms
True
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from latency_db.latency import Latency
from latency_db.source import LatencySource
from search_space.blocks import Block
from search_space.errors import WalkbenchError
from search_space.network import Network


@runtime_checkable
class PricesBlocks(Protocol):
    """A latency source that knows single blocks too, as estimates and tables do."""

    def predict_block(self, block: Block) -> Latency:
        """Return what ``block`` adds to a network's latency."""


@dataclass(frozen=True)
class StepLatency:
    """One step of a plan: its path, its block and what it takes."""

    path: str
    block: Block
    latency: Latency


def step_latencies(source: LatencySource, network: Network) -> list[StepLatency]:
    """Return the latency of every step in forward order.

    Raises :class:`WalkbenchError` for a source that knows whole networks only.
    """
    if not isinstance(source, PricesBlocks):
        raise WalkbenchError(f"{source.name} knows whole networks, not their blocks")
    return [
        StepLatency(path, step.block, source.predict_block(step.block))
        for path, step in network.plan().steps()
    ]
