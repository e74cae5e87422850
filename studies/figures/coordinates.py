"""Parallel coordinates: each design a line through its metrics and choices.

>>> from studies.records import TrialRecord
>>> trials = [TrialRecord(0, "COMPLETE", feasible=True, values={"params": 2e6, "macs": 1e9})]
>>> table = StudyTable.of_records(trials, ("params", "macs"))
>>> figure = coordinates_figure(table, np.array([0]), ["params", "macs"], {"conv": ["dense"]})
>>> [dimension.label for dimension in figure.data[0].dimensions]
['Parameters, M', 'MACs, G', 'conv']
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from studies.figures.style import styled
from studies.metrics import METRICS
from studies.study_table import StudyTable

WIDEST = 12  # axes that fit beside each other
FEW = 8  # values that have a tick each


def coordinates_figure(
    table: StudyTable,
    rows: NDArray[np.int64],
    metrics: Sequence[str],
    choices: Mapping[str, Sequence[Any]],
) -> go.Figure:
    """Return the lines of the trials ``rows``, coloured by the first of ``metrics``.

    ``choices`` have the choices of ``rows`` by name; those that do not differ are left out.
    """
    dimensions = []
    for name in metrics:
        metric = METRICS.get(name)
        label = f"{metric.title}, {metric.unit}" if metric.unit else metric.title
        dimensions.append({"label": label, "values": table.value(name)[rows] / metric.scale})
    for name, own in choices.items():
        differs = len({str(value) for value in own}) > 1 or len(own) == 1
        if differs and len(dimensions) < WIDEST:
            dimensions.append({"label": name, **_axis(own)})
    first = dimensions[0]
    for dimension in dimensions:
        dimension |= _ticks(dimension)
    scale = {"title": {"text": first["label"], "side": "right"}, "thickness": 12}
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            line={"color": first["values"], "colorscale": "Viridis", "colorbar": scale},
            labelangle=-20,
            labelside="top",
            labelfont={"size": 12},
            tickfont={"size": 11},
            rangefont={"size": 1, "color": "rgba(0, 0, 0, 0)"},  # the ends, not rounded
            name="designs",
        )
    )
    styled(figure, height=420)
    figure.update_layout(margin={"l": 60, "r": 30, "t": 110, "b": 24})
    return figure


def _ticks(dimension: dict[str, Any]) -> dict[str, Any]:
    """Return ticks at the values where they are few, so that counts are not halved."""
    found = np.unique(np.asarray(dimension["values"], dtype=float))
    if "tickvals" in dimension or len(found) > FEW:
        return {}
    return {"tickvals": found, "ticktext": [f"{value:,.4g}" for value in found.tolist()]}


def _axis(values: Sequence[Any]) -> dict[str, Any]:
    """Return a choice as an axis: numbers as they are, else one tick for each kind."""
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        return {"values": np.array(values, dtype=float)}
    kinds = sorted({"–" if v is None else str(v) for v in values})
    places = [kinds.index("–" if v is None else str(v)) for v in values]
    return {"values": places, "tickvals": list(range(len(kinds))), "ticktext": kinds}
