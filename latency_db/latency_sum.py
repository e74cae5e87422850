"""Latencies added up: by their ends, as if all were off in one direction, or as independent ones.

Which it is depends on what they have in common. Programs on one device, from one table, err
together; a device model adds up its own networks (:meth:`latency_db.device_model.DeviceModel.
latency_together`); the time between programs has nothing to do with either.

>>> a, b = (Latency(ms, 0.9 * ms, 1.2 * ms, 0.0, "estimated") for ms in (100.0, 50.0))
>>> added_up([(a, 2), (b, 1)])
Latency(ms=250.0, low=225.0, high=300.0, coverage=0.0, source='estimated')
>>> round(independent(a, b).high, 1)
172.4
"""

import math
from collections.abc import Sequence

from latency_db.latency import Latency, Source


def added_up(parts: Sequence[tuple[Latency, int]]) -> Latency:
    """Return the time of ``parts``, each so many times, with intervals added end to end."""
    total = sum(calls * one.ms for one, calls in parts)
    return Latency(
        total,
        sum(calls * one.low for one, calls in parts),
        sum(calls * one.high for one, calls in parts),
        sum(calls * one.ms * one.coverage for one, calls in parts) / total,
        _source([one for one, _ in parts]),
    )


def independent(a: Latency, b: Latency) -> Latency:
    """Return the time of two parts whose errors have nothing in common."""
    ms = a.ms + b.ms
    low = ms - math.hypot(a.ms - a.low, b.ms - b.low)
    high = ms + math.hypot(a.high - a.ms, b.high - b.ms)
    coverage = (a.ms * a.coverage + b.ms * b.coverage) / ms
    return Latency(ms, low, high, coverage, _source([a, b]))


def _source(parts: Sequence[Latency]) -> Source:
    sources = {one.source for one in parts}
    return sources.pop() if len(sources) == 1 else "mixed"
