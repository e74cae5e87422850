"""Compute units other than the Neural Engine: a ratio, with the spread that its evidence has.

Published rows name the unit for one chip alone: forty classifiers on A13, each timed on CPU, GPU
and Neural Engine. Their ratios are all there is, so an estimate for CPU or GPU is the Neural
Engine's times the median ratio, and its interval holds the spread of the ratios and a factor of 1.5
for another chip. It tells "twice" from "ten times", not one design from another.

>>> ratio = unit_ratio("gpu")
>>> 3 < ratio.factor < 8, ratio.rows
(True, 40)
"""

import math
import statistics
from dataclasses import dataclass
from functools import lru_cache

from latency_db.latency import Latency
from latency_db.published.rows import published_rows
from search_space.errors import raise_unknown

UNITS = ("ane", "gpu", "cpu")
EVIDENCE = "A13"
OTHER_CHIP_SD = math.log(1.5)
_QUANTILE = 1.2816  # 80 % of a normal distribution are within this many deviations


@dataclass(frozen=True)
class UnitRatio:
    """Milliseconds over those of the Neural Engine, and the deviation of their logarithm."""

    factor: float
    log_sd: float
    rows: int

    def of(self, latency: Latency) -> Latency:
        """Return the Neural Engine's ``latency`` on this unit, with a wider interval."""
        if self.log_sd == 0:
            return latency
        more = _QUANTILE * math.hypot(self.log_sd, OTHER_CHIP_SD)
        low = math.exp(-math.hypot(math.log(latency.ms / latency.low), more))
        high = math.exp(math.hypot(math.log(latency.high / latency.ms), more))
        ms = latency.ms * self.factor
        return Latency(ms, ms * low, ms * high, 0.0, "estimated")


@lru_cache(maxsize=8)
def unit_ratio(units: str) -> UnitRatio:
    """Return the ratio of ``units`` to the Neural Engine; raises :class:`WalkbenchError`."""
    if units not in UNITS:
        raise_unknown("compute units", units, UNITS)
    if units == "ane":
        return UnitRatio(1.0, 0.0, 0)
    times: dict[tuple[str, str], dict[str, float]] = {}
    for row in published_rows(EVIDENCE):
        key = (row.model, row.input_resolution)
        times.setdefault(key, {})[row.compute_units.lower()] = row.latency_ms
    logs = [math.log(t[units] / t["ane"]) for t in times.values() if units in t and "ane" in t]
    return UnitRatio(math.exp(statistics.median(logs)), statistics.stdev(logs), len(logs))
