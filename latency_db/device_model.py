"""`DeviceModel`: the parameters of one device, and the price of operators and networks on it.

The model of a chip is the fit as a new lab would time it; :mod:`latency_db.calibrate` turns it into
the model of one phone. Both are fourteen log-parameters with a covariance, and an interval.

Prices are vectors of 16: milliseconds of the operators, their gradient by the log-parameters, and
megabytes of weights. They add up over blocks and segments, which candidates of a search share.

>>> from search_space.presets import named_spec
>>> model = chip_model("A15")
>>> latency = model.latency(model.price_network(named_spec("sd15"), batch=1))
>>> latency.low < latency.ms < latency.high
True
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from latency_db.devices import CHIPS
from latency_db.fitted import NETWORK_VARIANCE, Interval, shipped_fit
from latency_db.latency import Latency
from latency_db.operators import Operator, operators
from latency_db.roofline import NAMES, Array, Setting, loads, operator_milliseconds, with_weights
from latency_db.source import revision_of
from search_space.blocks import Block
from search_space.cost import block_cost
from search_space.network import Network
from search_space.plan import Segment

_SIZE = 1 + len(NAMES) + 1  # milliseconds, gradient, megabytes of weights


@dataclass(frozen=True, eq=False)
class DeviceModel:
    """Parameters, (14,), of a device, covariance, (14, 14), of their logarithms, interval."""

    chip: str
    parameters: Array
    covariance: Array
    interval: Interval
    revision: str
    _blocks: dict[tuple[Block, int], Array] = field(default_factory=dict, repr=False)
    _segments: dict[tuple[Segment, int], Array] = field(default_factory=dict, repr=False)

    def latency(self, price: Array, *, floor: bool = True, widen: float = 1.0) -> Latency:
        """Return the latency of a network with this price; ``floor=False`` for a part of one."""
        ms, slope = self.prediction(price, floor=floor)
        variance = float(slope @ self.covariance @ slope) + NETWORK_VARIANCE
        return self.interval.around(ms, variance, widen)

    def latency_together(self, parts: Sequence[tuple[Array, int]]) -> Latency:
        """Return the time of several networks that run on this device, each so many times.

        ``parts`` are prices of distinct networks and their calls. What is not known of the device,
        and how its lab times, is common to all of them; what is a network's own is independent of
        the others', so that the interval of the sum is narrower than the sum of intervals.
        """
        found = [(self.prediction(price), calls) for price, calls in parts]
        total = sum(calls * ms for (ms, _), calls in found)
        shares = [calls * ms / total for (ms, _), calls in found]
        slopes = [slope for (_, slope), _ in found]
        slope = sum((s * one for s, one in zip(shares, slopes, strict=True)), np.zeros(len(NAMES)))
        own = NETWORK_VARIANCE * sum(share**2 for share in shares)
        return self.interval.around(total, float(slope @ self.covariance @ slope) + own)

    def prediction(self, price: Array, *, floor: bool = True) -> tuple[float, Array]:
        """Return milliseconds and the slope of their logarithm by the log-parameters, (14,)."""
        total = with_weights(price[:-1], price[-1], self.parameters, floor)
        return float(total[0]), total[1:] / total[0]

    def price_network(self, network: Network, batch: int) -> Array:
        """Price every block of ``network`` at ``batch``, (16,)."""
        total = np.zeros(_SIZE)
        for segment in network.plan().segments:
            found = self._segments.get((segment, batch))
            if found is None:
                found = np.zeros(_SIZE)
                for step in segment.steps:
                    found = found + self.price_block(step.block, batch)
                self._segments[segment, batch] = found
            total += found
        return total

    def price_block(self, block: Block, batch: int) -> Array:
        """Price one block; a transformer stack is its projections and ``depth`` equal layers."""
        found = self._blocks.get((block, batch))
        if found is None:
            found = np.zeros(_SIZE)
            for part, count in block.parts():
                ops = operators(block_cost(part).ops)
                batched = {at_batch(op, batch): n for op, n in ops.items()}
                found = found + count * self.price_operators(batched, Setting())
            self._blocks[block, batch] = found
        return found

    def price_operators(self, parts: Mapping[Operator, int], setting: Setting) -> Array:
        """Price operators with their counts as converted and run under ``setting``."""
        if not parts:
            return np.zeros(_SIZE)
        work = loads(parts, CHIPS[self.chip].on_chip_mb, setting)
        ms, gradient = operator_milliseconds(work, self.parameters)
        return np.concatenate([[ms.sum()], gradient.sum(axis=0), [work.weights_mb]])


def at_batch(op: Operator, batch: int) -> Operator:
    """Return ``op`` for ``batch`` inputs at once: everything but the weights grows with them."""
    if batch == 1:
        return op
    macs, moved, maps = op.macs * batch, op.moved * batch, op.maps * batch
    return dataclasses.replace(op, macs=macs, moved=moved, maps=maps, heads=op.heads * batch)


@lru_cache(maxsize=64)
def chip_model(chip: str) -> DeviceModel:
    """Return the model of ``chip`` as a lab that nobody has seen would time it."""
    fitted = shipped_fit()
    return DeviceModel(
        chip,
        fitted.fit.parameters[chip],
        fitted.fit.new_lab_covariance(chip),
        fitted.new_lab,
        revision_of((fitted.revision, chip)),
    )
