"""Devices by their usual names, and the chip inside each.

Estimates depend on the chip; users name a phone. `iPhone 15 Pro`, `iphone-15-pro` and `A17 Pro`
all mean the same chip.

>>> chip_of("iphone-15-pro")
'A17 Pro'
>>> chip_of("iPhone 51 Pro")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: unknown device 'iPhone 51 Pro'; did you mean 'iPhone ...
"""

import re
from dataclasses import dataclass
from typing import Literal

from search_space.errors import raise_unknown


@dataclass(frozen=True)
class Chip:
    """Apple's figures for a chip: TOPS with their basis, memory bandwidth and on-chip memory.

    FP16 throughput did not double at A17 Pro: the basis of the stated figure moved to INT8.
    ``ane_tops`` None: not stated. ``on_chip_mb`` is stated by nobody; 2 to 5 MB is what
    measurements of the Neural Engine found.
    """

    name: str
    ane_tops: float | None
    basis: Literal["fp16", "int8"]
    dram_gb_s: float
    on_chip_mb: float = 4.0

    @property
    def fp16_tops(self) -> float:
        """TOPS on the FP16 basis; where none are stated, those of the chips before."""
        tops = 35.0 if self.ane_tops is None else self.ane_tops
        return tops / 2 if self.basis == "int8" else tops


# TOPS: Apple's press releases. Bandwidths: LPDDR type and bus width of each chip.
CHIPS: dict[str, Chip] = {
    chip.name: chip
    for chip in (
        Chip("A14", 11.0, "fp16", 34.0, on_chip_mb=2.0),
        Chip("A15", 15.8, "fp16", 34.0),
        Chip("A16", 17.0, "fp16", 51.0),
        Chip("A17 Pro", 35.0, "int8", 51.0),
        Chip("A18", 35.0, "int8", 60.0),
        Chip("A18 Pro", 35.0, "int8", 60.0),
        Chip("A19", None, "int8", 68.0),
        Chip("A19 Pro", None, "int8", 76.0),
        Chip("M1", 11.0, "fp16", 68.0, on_chip_mb=2.0),
        Chip("M2", 15.8, "fp16", 100.0),
        Chip("M3", 18.0, "fp16", 100.0),
        Chip("M4", 38.0, "int8", 120.0),
    )
}

DEVICES: dict[str, str] = {
    **dict.fromkeys(("iPhone 12 mini", "iPhone 12", "iPhone 12 Pro", "iPhone 12 Pro Max"), "A14"),
    **dict.fromkeys(("iPhone 13 mini", "iPhone 13", "iPhone 13 Pro", "iPhone 13 Pro Max"), "A15"),
    **dict.fromkeys(("iPhone 14", "iPhone 14 Plus"), "A15"),
    **dict.fromkeys(("iPhone 14 Pro", "iPhone 14 Pro Max", "iPhone 15", "iPhone 15 Plus"), "A16"),
    **dict.fromkeys(("iPhone 15 Pro", "iPhone 15 Pro Max"), "A17 Pro"),
    **dict.fromkeys(("iPhone 16", "iPhone 16 Plus"), "A18"),
    **dict.fromkeys(("iPhone 16 Pro", "iPhone 16 Pro Max"), "A18 Pro"),
    "iPhone 17": "A19",
    **dict.fromkeys(("iPhone 17 Pro", "iPhone 17 Pro Max"), "A19 Pro"),
    "iPad 10th generation": "A14",
    "iPad Air 4th generation": "A14",
    "iPad mini 6th generation": "A15",
    "iPad mini A17 Pro": "A17 Pro",
    **dict.fromkeys(("iPad Air M1", "iPad Pro M1"), "M1"),
    **dict.fromkeys(("iPad Air M2", "iPad Pro M2"), "M2"),
    "iPad Air M3": "M3",
    "iPad Pro M4": "M4",
}


def device_names() -> list[str]:
    """Return the names of all devices: phones first, then chips."""
    return [*DEVICES, *CHIPS]


def chip_of(device: str) -> str:
    """Return the chip of a phone or chip name, however it is spelled.

    Raises :class:`WalkbenchError` naming the nearest known device.
    """
    wanted = plain_name(device)
    for name in device_names():
        if plain_name(name) == wanted:
            return DEVICES.get(name, name)
    raise_unknown("device", device, device_names())


def is_known(device: str) -> bool:
    """Whether ``device`` names a phone or a chip, however it is spelled."""
    return any(plain_name(name) == plain_name(device) for name in device_names())


def plain_name(name: str) -> str:
    """Letters and digits only, in lower case: `iphone-15-pro` and `iPhone 15 Pro` are one name."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
