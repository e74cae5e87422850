"""Colours of a cloud by a metric, a choice or another attribute of the trials.

>>> colour_of("sampler", ["dense", "separable", None]).values.tolist()
[0.0, 1.0, nan]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Told apart with any colour vision (Okabe and Ito, "Color universal design", 2008).
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#8c8c8c")
MOST = len(PALETTE)  # kinds that are told apart; the rest share the last colour


@dataclass(frozen=True)
class Colour:
    """A number for each trial, and the colour axis that reads it."""

    values: Floats
    axis: dict[str, Any]


def colour_of(title: str, found: Sequence[Any]) -> Colour:
    """Return the colours of a value for each trial: a scale for numbers, else one for each kind."""
    present = [value for value in found if value is not None]
    bar: dict[str, Any] = {"title": {"text": title, "side": "right"}, "thickness": 12}
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present):
        values = np.array([np.nan if v is None else v for v in found], dtype=float)
        return Colour(values, {"colorscale": "Viridis", "colorbar": bar})
    kinds = sorted({str(value) for value in present})
    shown = kinds if len(kinds) <= MOST else [*kinds[: MOST - 1], "others"]
    place = {kind: min(number, len(shown) - 1) for number, kind in enumerate(kinds)}
    values = np.array([np.nan if v is None else place[str(v)] for v in found], dtype=float)
    count = len(shown)
    bands = [(edge / count, PALETTE[i]) for i in range(count) for edge in (i, i + 1)]
    bar |= {"tickvals": list(range(count)), "ticktext": shown}
    return Colour(values, {"colorscale": bands, "cmin": -0.5, "cmax": count - 0.5, "colorbar": bar})
