"""The fit that ships: parameters, covariances, labs and calibrated intervals, as one small file.

`benchmarks/iphone_estimate.py` writes it from the published rows; estimating needs nothing else.

>>> shipped_fit().new_lab.low_z < 0 < shipped_fit().new_lab.high_z
True
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from latency_db.hierarchy import ERROR_SD, FAMILY_SD, LAB_FLOOR_SD, LAB_SD
from latency_db.latency import INTERVAL, Latency
from latency_db.roofline import NAMES, Array, Loads, milliseconds
from latency_db.source import revision_of

FILE = "fit.json"
NETWORK_VARIANCE = FAMILY_SD**2 + ERROR_SD**2  # of log ms, between networks on one device
_FLOOR = NAMES.index("floor")


@dataclass(frozen=True)
class LabEffect:
    """How a lab's times differ from the others': log factor, log factor of the floor, variance."""

    factor: float
    floor: float
    variance: float


@dataclass(frozen=True)
class Fit:
    """Parameters, (14,), of every chip and the covariance, (14, 14), of their logarithms.

    ``fallback`` is each fitted row's probability that part of its network ran elsewhere.
    """

    parameters: dict[str, Array]
    covariance: dict[str, Array]
    labs: dict[str, LabEffect]
    fallback: dict[int, float] = field(default_factory=dict)

    def predict(self, work: Loads, chip: str, lab: str | None = None) -> tuple[float, float]:
        """Return milliseconds and their log-variance as timed by ``lab``, or by a new lab."""
        ms, gradient = milliseconds(work, self.parameters[chip])
        slope = gradient / ms
        known = self.labs.get(lab or "")
        if known is None:
            variance = slope @ self.new_lab_covariance(chip) @ slope
            return ms, float(variance) + NETWORK_VARIANCE
        ms *= math.exp(known.factor + known.floor * float(slope[_FLOOR]))
        variance = slope @ self.covariance[chip] @ slope + known.variance
        return ms, float(variance) + NETWORK_VARIANCE

    def new_lab_covariance(self, chip: str) -> Array:
        """Covariance of a chip's log-parameters as timed by a lab that nobody has seen.

        A lab's factor shifts all log-parameters alike: milliseconds are homogeneous in them.
        """
        covariance: Array = self.covariance[chip] + LAB_SD**2
        covariance[_FLOOR, _FLOOR] += LAB_FLOOR_SD**2
        return covariance


@dataclass(frozen=True)
class Interval:
    """Where the truth lay around held-out estimates, in units of their expected error."""

    low_z: float
    high_z: float

    def around(self, ms: float, log_variance: float, widen: float = 1.0) -> Latency:
        """Return ``ms`` with its 80 % interval; ``widen`` above 1 stretches it."""
        sd = math.sqrt(log_variance) * widen
        low, high = ms * math.exp(self.low_z * sd), ms * math.exp(self.high_z * sd)
        return Latency(ms, low, high, 0.0, "estimated")


@dataclass(frozen=True)
class Fitted:
    """A fit with the intervals that held-out rows support, and its provenance.

    ``new_lab`` is calibrated by leaving lab and family out together and is the default everywhere;
    ``known_lab`` by leaving the family out, for times like those of a lab of the fit.
    """

    fit: Fit
    new_lab: Interval
    known_lab: Interval
    provenance: dict[str, Any]

    @cached_property
    def revision(self) -> str:
        """Digest of the numbers, whenever and wherever they were fitted."""
        chips = (
            f"{chip} {parameters.tolist()} {self.fit.covariance[chip].tolist()}"
            for chip, parameters in self.fit.parameters.items()
        )
        return revision_of((repr(self.new_lab), repr(self.known_lab), *chips))


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
        {lab: LabEffect(**effect) for lab, effect in data["labs"].items()},
        {int(row): share for row, share in data["fallback"].items()},
    )
    intervals = {name: Interval(**bounds) for name, bounds in data["intervals"].items()}
    return Fitted(fit, intervals["new_lab"], intervals["known_lab"], data["provenance"])


def to_json(fit: Fit, intervals: Mapping[str, Interval], provenance: dict[str, Any]) -> str:
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
    data = {
        "provenance": provenance,
        "intervals": {name: asdict(interval) for name, interval in intervals.items()},
        "labs": {
            lab: {name: _six(value) for name, value in asdict(effect).items()}
            for lab, effect in fit.labs.items()
        },
        "fallback": {row: round(share, 3) for row, share in fit.fallback.items() if share > 0.5},
        "chips": chips,
    }
    return json.dumps(data, indent=1)


def _rounded(values: Any) -> list[float]:
    return [_six(value) for value in values]


def _six(value: float) -> float:
    return float(f"{value:.6g}")
