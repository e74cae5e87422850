"""Estimate the latency of a UNet on an iPhone chip from other people's published measurements.

A first model: `a + b·GMAC + c·Mparam` per chip, fitted to the published classifiers and UNets. Its
interval is the one that leaving each row out in turn has earned, and it is wide.

>>> from search_space.presets import named_spec
>>> latency = ChipEstimate.of("A15").predict(named_spec("snapgen-t2i"))
>>> latency.source, latency.low < latency.ms < latency.high
('estimated', True)
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from latency_db.baseline import Array, fit_baseline, predict_baseline
from latency_db.devices import CHIPS
from latency_db.latency import Latency
from latency_db.published.rows import published_rows
from search_space.cost import cost
from search_space.errors import raise_unknown
from search_space.presets import named_spec
from search_space.spec import UNetSpec

# The published UNets as specs of ours, with the latent size they were measured at.
_UNETS = {
    "SD 2.1-base UNet (CFG pair)": ("sd21", 64),
    "SDXL-base UNet (CFG pair)": ("sdxl", 96),
    "SnapGen UNet": ("snapgen-t2i", 128),
}
_REFERENCE = "A15"  # the chip with UNets and most classifiers; the others are scaled from it


@dataclass(frozen=True)
class _Line:
    """Coefficients of one chip, and the ratio to the truth that 80 % of rows stay within."""

    coefficients: tuple[float, float, float]
    spread: float


@dataclass(frozen=True)
class ChipEstimate:
    """The estimate of one chip, under the name the user gave the device."""

    chip: str
    device: str
    name: str = "estimate: a + b·GMAC + c·Mparam"

    @classmethod
    def of(cls, chip: str, device: str = "") -> "ChipEstimate":
        """Return the estimate for ``chip``; raises :class:`WalkbenchError` for an unknown one."""
        if chip not in CHIPS:
            raise_unknown("chip", chip, CHIPS)
        return cls(chip, device or chip)

    def predict(self, spec: UNetSpec) -> Latency:
        """Return the estimated latency of one forward pass at batch 1, with its 80 % interval."""
        line, priced = _line(self.chip), cost(spec)
        sizes = np.array([[priced.macs / 1e9, priced.params / 1e6]])
        ms = float(predict_baseline(np.array(line.coefficients), sizes)[0])
        return Latency(ms, ms / line.spread, ms * line.spread, 0.0, "estimated")


@lru_cache(maxsize=1)
def _rows() -> dict[str, tuple[Array, Array]]:
    """GMAC and Mparam, (n, 2), and milliseconds, (n,), of each chip's usable rows."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for row in published_rows():
        if row.model in _UNETS and row.chip in CHIPS:
            name, latent = _UNETS[row.model]
            priced = cost(named_spec(name).replace(latent_size=latent))
            gmac, mparam = priced.macs / 1e9 * row.batch, priced.params / 1e6
        elif row.suggested_use == "calib" and row.macs_g and row.params_m:
            gmac, mparam = row.macs_g, row.params_m
        else:
            continue
        found.setdefault(row.chip, []).append((gmac, mparam, row.latency_ms))
    return {
        chip: (np.array(values)[:, :2], np.array(values)[:, 2]) for chip, values in found.items()
    }


@lru_cache(maxsize=32)
def _line(chip: str) -> _Line:
    """Fit ``chip``; one without classifiers and UNets is the reference chip, scaled."""
    own = _rows().get(chip)
    if own is not None and len(own[1]) > 20:
        sizes, ms = own
        fit = fit_baseline(sizes, ms)
        left_out = [
            predict_baseline(
                fit_baseline(np.delete(sizes, i, 0), np.delete(ms, i)), sizes[i : i + 1]
            )
            for i in range(len(ms))
        ]
        errors = np.abs(np.log(ms / np.concatenate(left_out)))
        # UNets are few among classifiers, so an interval for UNets must hold theirs as well.
        big = errors[sizes[:, 0] > 100]
        spread = float(np.exp(max(np.quantile(errors, 0.8), np.max(big))))
        return _Line((float(fit[0]), float(fit[1]), float(fit[2])), spread)
    reference = _line(_REFERENCE)
    scale = CHIPS[_REFERENCE].dram_gb_s / CHIPS[chip].dram_gb_s
    if own is not None:
        sizes, ms = own
        expected = predict_baseline(np.array(reference.coefficients), sizes)
        scale = float(np.exp(np.mean(np.log(ms / expected))))
    a, b, c = (value * scale for value in reference.coefficients)
    return _Line((a, b, c), reference.spread)
