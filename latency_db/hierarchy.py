"""The hierarchy behind the fit: which effects a published row has, and how far each may reach.

    log ms = log roofline( θ(chip), network ) + lab + lab's floor + (lab, chip) + family + error
    log θ(chip, k) = common(k) + overall + scale(chip) + deviation(chip, k)

Every term has a normal prior. Chips share what their data cannot separate: scales lie around the
ratio of stated TOPS, deviations around zero (around the ratio of memory bandwidths for what memory
decides). Labs differ by how they time, families by what a converter makes of them; both are random
effects, so that a lab with sixty rows does not decide the parameters.

>>> layout = Layout(("a", "b"), ("ResNet",), (("a", "A14"),))
>>> layout.size == 14 + 1 + len(CHIPS) * 15 + 2 + 2 + 1 + 1
True
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from latency_db.devices import CHIPS
from latency_db.roofline import NAMES, PARAMETERS, START, Array

REFERENCE = "A15"  # starting points of the parameters are for it

# Standard deviations of log effects. Lab, family and error were chosen by leaving lab and family
# out together; the other five move those errors by less than a point when halved or doubled.
COMMON_SD = 0.5
OVERALL_SD = 1.0
SCALE_SD = 0.25
DEVIATION_SD = 0.15
LAB_SD = 0.12
LAB_FLOOR_SD = 0.2
LAB_CHIP_SD = 0.05
FAMILY_SD = 0.15
ERROR_SD = 0.1

# A network part of which ran on the CPU or the GPU: how many are, and by how much they are slower.
FALLBACK_SHARE = 0.1
FALLBACK_MEAN, FALLBACK_SD = 0.7, 0.5  # log of published over predicted

K = len(NAMES)
_CHIPS = tuple(CHIPS)


@dataclass(frozen=True)
class Layout:
    """Places of the effects in one vector."""

    labs: tuple[str, ...]
    families: tuple[str, ...]
    lab_chips: tuple[tuple[str, str], ...]

    @cached_property
    def _starts(self) -> dict[str, int]:
        sizes = {
            "common": K,
            "overall": 1,
            "scale": len(_CHIPS),
            "deviation": len(_CHIPS) * K,
            "lab": len(self.labs),
            "lab floor": len(self.labs),
            "family": len(self.families),
            "lab chip": len(self.lab_chips),
        }
        ends = np.cumsum(list(sizes.values()))
        return {
            name: int(end) - size for (name, size), end in zip(sizes.items(), ends, strict=True)
        }

    @property
    def size(self) -> int:
        """Length of the vector."""
        return self._starts["lab chip"] + len(self.lab_chips)

    def start(self, name: str) -> int:
        """Return where the effects called ``name`` begin."""
        return self._starts[name]

    def prior(self) -> tuple[Array, Array]:
        """Return means and standard deviations of all effects."""
        reference = CHIPS[REFERENCE]
        scale = np.log([reference.fp16_tops / chip.fp16_tops for chip in CHIPS.values()])
        memory = np.log([reference.dram_gb_s / chip.dram_gb_s for chip in CHIPS.values()])
        from_memory = np.array([parameter.from_memory for parameter in PARAMETERS])
        deviation = np.outer(memory - scale, from_memory)  # the scale's share is taken back
        labs, families, lab_chips = len(self.labs), len(self.families), len(self.lab_chips)
        others = np.zeros(2 * labs + families + lab_chips)
        means = np.concatenate([np.log(START), [0.0], scale, deviation.ravel(), others])
        sds = [np.full(K, COMMON_SD), np.full(1, OVERALL_SD), np.full(len(scale), SCALE_SD)]
        sds += [np.full(deviation.size, DEVIATION_SD)]
        sds += [np.full(labs, LAB_SD), np.full(labs, LAB_FLOOR_SD)]
        sds += [np.full(families, FAMILY_SD), np.full(lab_chips, LAB_CHIP_SD)]
        return means, np.concatenate(sds)

    def log_parameters(self, effects: Array) -> Array:
        """Return the log-parameters of every chip, (chips, 14)."""
        scale = effects[self.start("scale") : self.start("deviation")]
        deviation = effects[self.start("deviation") : self.start("lab")].reshape(len(_CHIPS), K)
        found: Array = effects[:K] + effects[self.start("overall")] + scale[:, None] + deviation
        return found

    def spread_slopes(self, slopes: Array, chips: Array) -> Array:
        """Turn slopes by a chip's log-parameters, (m, 14), into slopes by all effects."""
        rows = np.arange(len(slopes))
        out = np.zeros((len(slopes), self.size))
        out[:, :K] = slopes
        out[:, self.start("overall")] = slopes.sum(axis=1)
        out[rows, self.start("scale") + chips] = slopes.sum(axis=1)
        columns = self.start("deviation") + chips[:, None] * K + np.arange(K)
        out[rows[:, None], columns] = slopes
        return out
