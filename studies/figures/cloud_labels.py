"""The names of designs beside their points in a cloud."""

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from studies.figures.labels import place_labels
from studies.figures.style import NAMED_COLOUR, translucent
from studies.metrics import METRICS
from studies.study_table import StudyTable

PLOT = (620.0, 400.0)  # pixels that labels are laid out for; a wider plot only gives more room
MOST = 40  # names
AVOIDED = 120  # other points that names keep clear of


def add_labels(
    figure: go.Figure, table: StudyTable, x: str, y: str, named: NDArray[np.int64]
) -> None:
    """Write names beside their points, with a thin line where one had to move away."""
    rows = named[:MOST]
    if not len(rows):
        return
    spans = (figure.layout.xaxis.range, figure.layout.yaxis.range)
    places = [table.value(name) / METRICS.get(name).scale for name in (x, y)]
    shares = [(p - low) / (high - low) for p, (low, high) in zip(places, spans, strict=True)]
    others = np.setdiff1d(np.flatnonzero(~np.isnan(shares[0] + shares[1])), rows)
    if len(others) > AVOIDED:
        others = others[np.linspace(0, len(others) - 1, AVOIDED).astype(int)]
    points = [(float(shares[0][r]), float(shares[1][r])) for r in (*rows, *others)]
    texts = [str(table.name[row]) for row in rows]
    offsets = place_labels(points[: len(rows)], texts, PLOT, points[len(rows) :])
    for row, text, (right, up) in zip(rows, texts, offsets, strict=True):
        figure.add_annotation(
            x=float(places[0][row]),
            y=float(places[1][row]),
            text=text.replace("<", "&lt;"),
            ax=right,
            ay=-up,
            arrowcolor=translucent(NAMED_COLOUR, 0.5),
            arrowwidth=1,
            arrowhead=0,
            standoff=8,
            font={"size": 12, "color": NAMED_COLOUR},
            bgcolor="rgba(255, 255, 255, 0.8)",
        )
