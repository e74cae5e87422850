"""The common look of all figures, and one mark for each sort of number.

Exact and measured values are filled, an estimate is a hollow circle with its interval, a latency
that is partly measured a hollow square, a published figure an open diamond.

>>> MARK["published"]["symbol"]
'diamond-open'
>>> darkened(go.Figure(go.Bar(marker_color="#0b6e99")))["data"][0]["marker"]["color"]
'#5ab4d6'
"""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

FAMILY_COLOUR = {"M": "#0b6e99", "F": "#c8553d"}
NAMED_COLOUR = "#c8553d"
FEASIBLE_COLOUR = "#0b6e99"
LOWER_COLOUR = "#9cc3d5"  # trained less than others
INFEASIBLE_COLOUR = "#b8bec5"
FRONT_COLOUR = "#1b1f24"
TIE_COLOUR = "#6a8d3a"

# Colours on a dark page, in place of those on a white one. Blue and vermilion, light against dark,
# are told apart with any colour vision.
DARK = {
    "#0b6e99": "#5ab4d6",
    "#c8553d": "#f2917a",
    "#b8bec5": "#6e7781",
    "#1b1f24": "#f0f3f6",
    "#57606a": "#a3adb8",
    "#6a8d3a": "#a5c96f",
    "#8a6fb0": "#bba3dd",
    "#ffffff": "#0f1317",
}
DARK_PAGE = DARK["#ffffff"]

MARK: dict[str, dict[str, Any]] = {
    "exact": {"symbol": "circle", "size": 9},
    "measured": {"symbol": "square", "size": 9},
    "estimated": {"symbol": "circle-open", "size": 10},
    "mixed": {"symbol": "square-open", "size": 10},
    "published": {"symbol": "diamond-open", "size": 12},
}


def styled(figure: go.Figure, height: int = 480) -> go.Figure:
    """Apply the common look to ``figure`` and return it."""
    figure.update_layout(
        template="plotly_white",
        height=height,
        font={"family": "Inter, Helvetica, Arial, sans-serif", "size": 14},
        margin={"l": 70, "r": 30, "t": 60, "b": 60},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        hoverlabel={"align": "left"},
    )
    return figure


def darkened(figure: go.Figure) -> dict[str, Any]:
    """Return ``figure`` for a dark page, as plotly's JSON."""
    drawn: dict[str, Any] = _recoloured(figure.to_plotly_json(), dark_colours())
    layout = drawn["layout"]
    layout["template"] = pio.templates["plotly_dark"].to_plotly_json()
    layout["paper_bgcolor"] = layout["plot_bgcolor"] = DARK_PAGE
    return drawn


def dark_colours() -> dict[str, str]:
    """Return by colour of a figure its dark one; translucent ones by their beginning, rgba(…."""
    return {**DARK, **{_rgba(light): _rgba(dark) for light, dark in DARK.items()}}


def _recoloured(value: Any, colours: Mapping[str, str]) -> Any:
    """Replace colours wherever they stand; a translucent one keeps its opacity."""
    if isinstance(value, dict):
        return {key: _recoloured(one, colours) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_recoloured(one, colours) for one in value]
    if isinstance(value, str):
        if value.startswith("rgba("):
            solid, _, alpha = value.rpartition(",")
            return f"{colours.get(solid, solid)},{alpha}"
        return colours.get(value, value)
    return value


def _rgba(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}"


def translucent(colour: str, alpha: float) -> str:
    """Return a hexadecimal colour with an opacity."""
    return f"{_rgba(colour)}, {alpha})"
