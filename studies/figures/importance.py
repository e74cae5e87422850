"""Importance of every axis for every objective, as bars with their standard errors.

>>> shares = {"params": [Importance("depth.2", 0.7, 0.1), Importance("conv", 0.3, 0.1)]}
>>> figure = importance_figure(shares)
>>> list(figure.data[0].y), [round(x) for x in figure.data[0].x]
(['conv', 'depth.2'], [30, 70])
"""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from studies.figures.style import styled
from studies.importance import Importance
from studies.metrics import known

COLOURS = ("#0b6e99", "#c8553d", "#6a8d3a", "#8a6fb0")
SHOWN = 15  # axes; the others decide next to nothing


def importance_figure(shares: Mapping[str, Sequence[Importance]]) -> go.Figure:
    """Return the plot of ``shares`` by objective, the most important axis at the top."""
    largest: dict[str, float] = {}
    for found in shares.values():
        for one in found:
            largest[one.axis] = max(largest.get(one.axis, 0.0), one.share)
    axes = sorted(largest, key=lambda axis: largest[axis])[-SHOWN:]
    figure = go.Figure()
    for colour, (objective, found) in zip(COLOURS, shares.items(), strict=False):
        by_axis = {one.axis: one for one in found}
        chosen = [by_axis.get(axis) for axis in axes]
        metric = known(objective)
        figure.add_trace(
            go.Bar(
                y=axes,
                x=[100 * one.share if one else 0.0 for one in chosen],
                error_x={"array": [100 * one.stderr if one else 0.0 for one in chosen]},
                name=metric.title if metric else objective,
                orientation="h",
                marker={"color": colour},
                hovertemplate="%{y}: %{x:.0f} %<extra></extra>",
            )
        )
    styled(figure, height=120 + 26 * len(axes))
    figure.update_layout(
        barmode="group", xaxis={"title": "share, %", "rangemode": "tozero"}, margin={"l": 170}
    )
    return figure
