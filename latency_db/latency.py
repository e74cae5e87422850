"""`Latency`: a number of milliseconds that never travels without its interval and its source.

>>> Latency(274.0, 210.0, 350.0, coverage=0.0, source="estimated")
Latency(ms=274.0, low=210.0, high=350.0, coverage=0.0, source='estimated')
"""

import math
from dataclasses import dataclass
from typing import Literal

Source = Literal["measured", "estimated", "mixed"]
INTERVAL = 0.8  # the share of cases that low … high is meant to hold


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one forward pass, with an 80 % interval.

    ``coverage`` is the share of ``ms`` that was measured, block by block: 0 for an estimate, 1 when
    every block was in a table. Other people's published figures are never a ``Latency``.
    """

    ms: float
    low: float
    high: float
    coverage: float
    source: Source

    def __post_init__(self) -> None:
        # NaN fails every comparison, so it cannot slip through either.
        if not 0 < self.low <= self.ms <= self.high < math.inf:
            raise ValueError(f"need 0 < low <= ms <= high, got {self.low}, {self.ms}, {self.high}")
        if not 0 <= self.coverage <= 1:
            raise ValueError(f"coverage is a share from 0 to 1, got {self.coverage}")
