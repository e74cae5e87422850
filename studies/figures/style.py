"""The common look of all figures, and one mark for each sort of number.

Exact and measured values are filled, an estimate is a hollow circle with its interval, a latency
that is partly measured a hollow square, a published figure an open diamond.

>>> MARK["published"]["symbol"]
'diamond-open'
"""

from typing import Any

import plotly.graph_objects as go

FAMILY_COLOUR = {"M": "#0b6e99", "F": "#c8553d"}
NAMED_COLOUR = "#c8553d"
FEASIBLE_COLOUR = "#0b6e99"
INFEASIBLE_COLOUR = "#b8bec5"
FRONT_COLOUR = "#1b1f24"

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
