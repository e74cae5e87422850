"""Samples of one timing: their slope between two graph sizes, their outliers, their text.

>>> paired_slope(1, 4, {1: [1.5, 1.4, 1.6], 4: [4.5, 4.4, 4.6]})
(1.0, 1.0, 1.0)
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

NORMAL_QUANTILE = 1.2816  # an 80 % interval of a normal distribution is ± this many deviations
MAD_TO_DEVIATION = 1.4826
MEDIAN_OVER_MEAN = 1.2533  # the standard error of a median, relative to that of a mean
OUTLIER_DEVIATIONS = 5.0
NEVER_AN_OUTLIER = 0.02  # a quiet machine deviates by nothing; two per cent is no outlier


def paired_slope(
    first: int, last: int, samples: Mapping[int, Sequence[float]]
) -> tuple[float, float, float]:
    """Return the median of the paired slopes, and the ends of its 80 % interval."""
    pairs = np.subtract(samples[last], samples[first]) / (last - first)
    median = float(np.median(pairs))
    mad = float(np.median(np.abs(pairs - median)))
    error = MEDIAN_OVER_MEAN * MAD_TO_DEVIATION * mad / math.sqrt(len(pairs))
    half = NORMAL_QUANTILE * error
    mid, low, high = (float(f"{median + half * sign:.6g}") for sign in (0, -1, 1))
    return mid, low, high


def outliers(times: Sequence[float]) -> Any:
    """Return one flag per sample: farther than five robust deviations from the median."""
    values = np.asarray(times, dtype=float)
    distance = np.abs(values - np.median(values))
    limit = OUTLIER_DEVIATIONS * MAD_TO_DEVIATION * np.median(distance)
    return distance > max(limit, NEVER_AN_OUTLIER * np.median(values))


def write_samples(samples: Mapping[int, Sequence[float]], marked: Mapping[int, Any]) -> str:
    """Return every sample as text, outliers with a star: ``1: 0.51 0.9* | 4: 1.9 2.0``."""
    parts = []
    for copies in sorted(samples):
        words = [
            f"{time:.5g}{'*' if flag else ''}"
            for time, flag in zip(samples[copies], marked[copies], strict=True)
        ]
        parts.append(f"{copies}: {' '.join(words)}")
    return " | ".join(parts)
