"""The fit that ships: parameters, covariances and the calibrated interval, as one small file.

`benchmarks/iphone_estimate.py` writes it from the published rows; estimating needs nothing else.

>>> shipped_fit().interval.low_z < 0 < shipped_fit().interval.high_z
True
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from latency_db.latency import INTERVAL, Latency
from latency_db.roofline import NAMES, Array, Loads, milliseconds
from latency_db.source import revision_of

FILE = "fit.json"
LAB_SD = 0.12  # log-sd of what no model can know: labs differ by 10.6 % at the median


@dataclass(frozen=True)
class Fit:
    """Parameters, (13,), of every chip and the covariance, (13, 13), of their logarithms."""

    parameters: dict[str, Array]
    covariance: dict[str, Array]

    def predict(self, work: Loads, chip: str) -> tuple[float, float]:
        """Return milliseconds and the log-variance that the fit itself leaves open."""
        ms, gradient = milliseconds(work, self.parameters[chip])
        slope = gradient / ms
        return ms, float(slope @ self.covariance[chip] @ slope)


@dataclass(frozen=True)
class Interval:
    """Where the truth lay around held-out estimates, in units of their expected error."""

    low_z: float
    high_z: float

    def around(self, ms: float, log_variance: float, widen: float = 1.0) -> Latency:
        """Return ``ms`` with its 80 % interval; ``widen`` above 1 stretches it."""
        sd = math.sqrt(log_variance + LAB_SD**2) * widen
        low, high = ms * math.exp(self.low_z * sd), ms * math.exp(self.high_z * sd)
        return Latency(ms, low, high, 0.0, "estimated")


@dataclass(frozen=True)
class Fitted:
    """A fit with the interval that held-out rows earned it, and where it comes from."""

    fit: Fit
    interval: Interval
    provenance: dict[str, Any]

    @cached_property
    def revision(self) -> str:
        """Digest of the numbers, whenever and wherever they were fitted."""
        chips = (
            f"{chip} {parameters.tolist()} {self.fit.covariance[chip].tolist()}"
            for chip, parameters in self.fit.parameters.items()
        )
        return revision_of((repr(self.interval), *chips))


def calibrate(errors: Sequence[float]) -> Interval:
    """Return the interval that holds 80 % of held-out ``errors``, a tenth outside on either side.

    Errors are log-ratios in units of their expected size, as :class:`Interval` applies them.
    """
    tail = (1 - INTERVAL) / 2
    low, high = np.quantile(errors, [tail, 1 - tail])
    return Interval(min(float(low), 0.0), max(float(high), 0.0))


@lru_cache(maxsize=1)
def shipped_fit() -> Fitted:
    """Return the fit in the package."""
    data = json.loads((files("latency_db.published") / FILE).read_text(encoding="utf-8"))
    chips = data["chips"]
    fit = Fit(
        {chip: np.array([values["parameters"][name] for name in NAMES]) for chip, values in chips},
        {chip: np.array(values["covariance"]) for chip, values in chips},
    )
    return Fitted(fit, Interval(**data["interval"]), data["provenance"])


def to_json(fit: Fit, interval: Interval, provenance: dict[str, Any]) -> str:
    """Return what :func:`shipped_fit` reads; six digits are more than the data hold."""
    chips = [
        [
            chip,
            {
                "parameters": dict(zip(NAMES, _rounded(parameters), strict=True)),
                "covariance": [_rounded(row) for row in fit.covariance[chip]],
            },
        ]
        for chip, parameters in fit.parameters.items()
    ]
    bounds = {"low_z": interval.low_z, "high_z": interval.high_z}
    return json.dumps({"provenance": provenance, "interval": bounds, "chips": chips}, indent=1)


def _rounded(values: Any) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
