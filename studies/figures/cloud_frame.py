"""The frame of a cloud: axes, budget lines, and the trials without a value at the top edge."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from studies.figures.cloud_roles import Cloud, Rows, design_words, place, within
from studies.figures.style import FEASIBLE_COLOUR, INFEASIBLE_COLOUR, NAMED_COLOUR, styled
from studies.figures.thinning import thinned
from studies.metric import Metric
from studies.metrics import METRICS
from studies.study_table import STATES, Floats, StudyTable

TICKS = 300  # marks at the edge
HEIGHT = 560


def frame(figure: go.Figure, table: StudyTable, cloud: Cloud, rows: Rows) -> None:
    """Titles, ranges, budget lines and the colour scale."""
    styled(figure, height=HEIGHT)
    x, y = METRICS.get(cloud.x), METRICS.get(cloud.y)
    ranges = {}
    for metric in (x, y):
        values = place(table, metric.name)[rows]
        ranges[metric.name] = axis_range(values, table, metric, rows, cloud.bars != "none")
    figure.update_layout(
        xaxis={"title": x.axis_title, "range": ranges[x.name], "zeroline": False},
        yaxis={"title": y.axis_title, "range": ranges[y.name], "zeroline": False},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
        legend={"yanchor": "top", "y": -0.16, "font": {"size": 12}},
        margin={"l": 64, "r": 16, "t": 30, "b": 110},
        dragmode="zoom",
        clickmode="event+select",
    )
    if cloud.colour is not None:
        figure.update_layout(coloraxis=cloud.colour.axis)
    limits = {**cloud.budgets, **cloud.limits}
    for metric, add in ((x, figure.add_vline), (y, figure.add_hline)):
        limit = limits.get(metric.name)
        low, high = ranges[metric.name]
        if limit is not None and low < limit / metric.scale < high:
            text = f"budget {limit / metric.scale:,.6g} {metric.unit}".rstrip()
            add(
                limit / metric.scale,
                line={"color": NAMED_COLOUR, "width": 1, "dash": "dash"},
                annotation={"text": text, "font": {"size": 12, "color": NAMED_COLOUR}},
                annotation_position=f"bottom {_roomier(limit / metric.scale, low, high)}",
            )


def _roomier(place: float, low: float, high: float) -> str:
    """Return the side of a line on which its words are not cut off."""
    return "left" if place > (low + high) / 2 else "right"


def axis_range(
    values: Floats, table: StudyTable, metric: Metric, rows: Rows, with_bars: bool
) -> tuple[float, float]:
    """Return the range of an axis: what lies on it, and the intervals up to half as much again."""
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    span = high - low
    ends = table.interval(metric.name)
    if with_bars and ends is not None:
        reach = 0.5 * span
        low = min(low, max(low - reach, float(np.nanmin(ends[0][rows])) / metric.scale))
        high = max(high, min(high + reach, float(np.nanmax(ends[1][rows])) / metric.scale))
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    floor = 0.0 if values.min() >= 0 else -np.inf  # no axis of milliseconds starts below zero
    return max(low - margin, floor), high + margin


def frame_3d(figure: go.Figure, cloud: Cloud) -> go.Figure:
    """Titles and the colour scale of a cloud over three metrics."""
    styled(figure, height=HEIGHT + 80)
    axes: Sequence[Metric] = [METRICS.get(name) for name in cloud.axes]
    figure.update_layout(
        scene={
            f"{axis}axis": {"title": {"text": metric.axis_title}}
            for axis, metric in zip("xyz", axes, strict=False)
        },
        margin={"l": 0, "r": 0, "t": 30, "b": 0},
        legend={"y": 0.0, "yanchor": "top", "font": {"size": 12}},
    )
    if cloud.colour is not None:
        figure.update_layout(coloraxis=cloud.colour.axis)
    return figure


def add_edge(figure: go.Figure, table: StudyTable, cloud: Cloud) -> None:
    """Mark along the top where the trials lie that have no value on the vertical axis."""
    x = place(table, cloud.x)
    missing = np.isnan(table.value(cloud.y)) & ~np.isnan(x)
    state = {name: table.state == STATES.index(name) for name in STATES}
    running = state["RUNNING"] | state["WAITING"]
    groups = {
        "over budget, not trained": (missing & state["PRUNED"], "line-ns-open", INFEASIBLE_COLOUR),
        "failed": (missing & state["FAIL"], "x-open", NAMED_COLOUR),
        "running": (missing & running, "triangle-down-open", FEASIBLE_COLOUR),
    }
    for name, (chosen, symbol, paint) in groups.items():
        rows = np.flatnonzero(chosen & within(table, cloud.limits))
        rows = rows[thinned(x[rows], np.zeros(len(rows)), TICKS * TICKS)] if len(rows) else rows
        if len(rows) > TICKS:
            rows = rows[np.linspace(0, len(rows) - 1, TICKS).astype(int)]
        if len(rows):
            figure.add_trace(
                go.Scatter(
                    x=x[rows],
                    y=np.full(len(rows), 0.985),
                    yaxis="y2",
                    name=name,
                    mode="markers",
                    marker={"symbol": symbol, "size": 9, "color": paint, "line": {"width": 1.6}},
                    customdata=np.stack([table.number[rows], design_words(table, rows)], axis=1),
                    hovertemplate=f"<b>%{{customdata[1]}}</b>, trial %{{customdata[0]}}<br>{name}"
                    "<extra></extra>",
                )
            )
