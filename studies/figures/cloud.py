"""A study of any size as a cloud over two or three metrics, with what each design is.

Shape and colour both tell the roles apart: the front, ties within noise, dominated, over budget,
named designs, and at the edge what has no value yet or never will. Marks are filled where places
are exact or measured, hollow where one is estimated. The cloud behind the front is thinned
(`studies.figures.thinning`), the front never is.

>>> from studies.records import TrialRecord
>>> trials = [
...     TrialRecord(t, "COMPLETE", feasible=True, values={"macs": macs, "params": params})
...     for t, macs, params in [(0, 3e11, 4e8), (1, 2e11, 6e8), (2, 4e11, 5e8)]
... ]
>>> table = StudyTable.of_records(trials, ("macs", "params"))
>>> figure = cloud_figure(table, Cloud("params", "macs", ("macs", "params")))
>>> [trace.name for trace in figure.data]
['dominated', 'front', 'on the front']
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from studies.figures.cloud_colour import Colour
from studies.figures.cloud_labels import add_labels
from studies.figures.style import (
    FEASIBLE_COLOUR,
    FRONT_COLOUR,
    INFEASIBLE_COLOUR,
    LOWER_COLOUR,
    NAMED_COLOUR,
    TIE_COLOUR,
    styled,
    translucent,
)
from studies.figures.thinning import thinned
from studies.metric import Metric
from studies.metrics import METRICS
from studies.study_table import STATES, Bools, Floats, StudyTable

Bars = Literal["few", "all", "none"]
Rows = NDArray[np.int64]

DRAWN = 6_000  # points of the cloud that are drawn
TICKS = 300  # marks at the edge
FLAT = 1_500  # more points than this are drawn by the graphics card
HEIGHT = 560

# role: symbol where the place is exact or measured, where it is estimated, size, colour
ROLES = {
    "over budget": ("x-thin", "x-thin", 7, INFEASIBLE_COLOUR),
    "on a lower rung": ("circle", "circle-open", 4, LOWER_COLOUR),
    "dominated": ("circle", "circle-open", 6, FEASIBLE_COLOUR),
    "ties within noise": ("triangle-up", "triangle-up-open", 10, TIE_COLOUR),
    "on the front": ("diamond", "diamond-open", 11, FRONT_COLOUR),
    "named": ("star", "star-open", 14, NAMED_COLOUR),
}


@dataclass(frozen=True)
class Cloud:
    """What to draw: axes, the objectives that decide the front, and what is cut off.

    ``limits`` are budgets by metric, in the metric's own unit, that cut the cloud; ``budgets`` the
    study's, drawn as lines. ``selected`` are the numbers of trials to ring.
    """

    x: str
    y: str
    objectives: tuple[str, ...]
    z: str | None = None
    colour: Colour | None = None
    bars: Bars = "few"
    limits: Mapping[str, float] = field(default_factory=dict)
    budgets: Mapping[str, float] = field(default_factory=dict)
    selected: tuple[int, ...] = ()

    @property
    def axes(self) -> tuple[str, ...]:
        """The metrics that span the figure."""
        return (self.x, self.y) if self.z is None else (self.x, self.y, self.z)


def within(table: StudyTable, limits: Mapping[str, float]) -> Bools:
    """Return which trials keep all ``limits``; one without the metric keeps it."""
    kept = np.ones(len(table), dtype=bool)
    for name, limit in limits.items():
        metric, values = METRICS.get(name), table.value(name)
        bad = values > limit if metric.goal == "minimise" else values < limit
        kept &= ~bad
    return kept


def roles(table: StudyTable, cloud: Cloud) -> dict[str, Rows]:
    """Return the rows of each role among the trials that have a place; each is in one role."""
    placed = within(table, cloud.limits) & ~table.superseded
    for name in cloud.axes:
        placed &= ~np.isnan(table.value(name))
    front = table.front(cloud.objectives, among=within(table, cloud.limits))
    tied = table.ties(cloud.objectives, front) & placed
    best = np.zeros(len(table), dtype=bool)
    best[table.distinct(front)] = True
    named = np.zeros(len(table), dtype=bool)
    has_name = np.array([name is not None for name in table.name], dtype=bool)
    named[table.distinct(has_name & placed)] = True
    left = placed & ~named & ~front
    compared = table.comparable(cloud.objectives)
    groups = {
        "over budget": left & ~table.counting,
        "on a lower rung": left & table.counting & ~compared,
        "dominated": left & compared & ~tied,
        "ties within noise": left & tied,
        "on the front": best & placed & ~named,
        "named": named & placed,
    }
    return {role: np.flatnonzero(chosen) for role, chosen in groups.items()}


def cloud_figure(table: StudyTable, cloud: Cloud) -> go.Figure:
    """Return the figure of ``cloud``. A point's ``customdata`` starts with its trial's number."""
    figure = go.Figure()
    found = roles(table, cloud)
    for role, rows in found.items():
        many = len(rows) > FLAT
        if role in ("over budget", "on a lower rung", "dominated", "ties within noise") and many:
            rows = rows[thinned(table.value(cloud.x)[rows], table.value(cloud.y)[rows], DRAWN)]
        if role == "on the front":
            _add_stairs(figure, table, cloud)
        if len(rows):
            figure.add_trace(_points(table, cloud, role, rows))
    if cloud.z is not None:
        return _frame_3d(figure, cloud)
    _add_edge(figure, table, cloud)
    _add_rings(figure, table, cloud)
    _frame(figure, table, cloud, np.concatenate(list(found.values())))
    add_labels(figure, table, cloud.x, cloud.y, found["named"])
    return figure


def _points(table: StudyTable, cloud: Cloud, role: str, rows: Rows) -> Any:
    filled, hollow, size, paint = ROLES[role]
    special = role in ("on the front", "named")
    estimated = _estimated(table, cloud)[rows]
    symbols = np.where(estimated, hollow, filled)
    marker: dict[str, Any] = {
        "symbol": symbols[0] if len(set(symbols)) == 1 else symbols,
        "size": size,
        "color": paint,
        "opacity": 1.0 if special else 0.75,
        "line": {"width": 1.6, "color": paint} if special or role == "over budget" else {},
    }
    if cloud.colour is not None:
        marker |= {"color": cloud.colour.values[rows], "coloraxis": "coloraxis"}
        marker["line"] = {"width": 1.2}
    options: dict[str, Any] = {
        "x": _place(table, cloud.x)[rows],
        "y": _place(table, cloud.y)[rows],
        "name": role,
        "mode": "markers",
        "customdata": np.stack([table.number[rows], _words(table, rows)], axis=1),
        "hovertemplate": _hover(cloud, role),
    }
    if cloud.z is not None:
        symbol = "circle" if not special else "diamond"
        marker |= {"symbol": symbol, "size": 4 if not special else 6, "line": {}}
        return go.Scatter3d(**options, z=_place(table, cloud.z)[rows], marker=marker)
    if cloud.bars == "all" or (cloud.bars == "few" and special):
        options |= {
            "error_x": _bars(table, cloud.x, rows, paint),
            "error_y": _bars(table, cloud.y, rows, paint),
        }
    kind = go.Scattergl if len(rows) > FLAT or role == "dominated" else go.Scatter
    return kind(**options, marker=marker, unselected={"marker": {"opacity": 0.35}})


def _place(table: StudyTable, name: str) -> Floats:
    """Return a metric in its printed unit."""
    return table.value(name) / METRICS.get(name).scale


def _words(table: StudyTable, rows: Rows) -> NDArray[np.object_]:
    """Return the names of designs, else their digests."""
    return np.array([table.name[r] or table.digest[r] or "–" for r in rows.tolist()], dtype=object)


def _hover(cloud: Cloud, role: str) -> str:
    lines = ["<b>%{customdata[1]}</b>, trial %{customdata[0]}"]
    for axis, name in zip("xyz", cloud.axes, strict=False):
        metric = METRICS.get(name)
        lines.append(f"{metric.phrase} %{{{axis}:,.{metric.digits}f}} {metric.unit}".rstrip())
    return "<br>".join([*lines, role]) + "<extra></extra>"


def _estimated(table: StudyTable, cloud: Cloud) -> Bools:
    """Return which trials lie where they do by an estimate."""
    found = np.zeros(len(table), dtype=bool)
    for name in cloud.axes:
        column = table.measured.get(name)
        if column is not None and METRICS.get(name).stage == "lookup":
            found |= np.isin(column.source.astype(str), ("estimated", "mixed"))
    return found


def _bars(table: StudyTable, name: str, rows: Rows, paint: str) -> dict[str, Any] | None:
    ends, metric = table.interval(name), METRICS.get(name)
    if ends is None:
        return None
    value = table.value(name)[rows]
    low, high = (np.nan_to_num(np.abs(end[rows] - value)) / metric.scale for end in ends)
    colour = translucent(paint, 0.35)
    bar = {"type": "data", "symmetric": False, "array": high, "arrayminus": low}
    return {**bar, "color": colour, "thickness": 1.2, "width": 3}


def _add_stairs(figure: go.Figure, table: StudyTable, cloud: Cloud) -> None:
    """Draw the front of the two axes; all above and to the right of it is beaten by a design."""
    if cloud.z is not None:
        return
    two = (cloud.x, cloud.y)
    rows = np.flatnonzero(table.front(two, among=within(table, cloud.limits)))
    if not len(rows):
        return
    x, y = (_place(table, name)[rows] for name in two)
    order = np.lexsort((y, x))
    same = set(cloud.objectives) == set(two)
    figure.add_trace(
        go.Scatter(
            x=x[order],
            y=y[order],
            name="front" if same else "front of these two axes",
            mode="lines",
            line={"color": FRONT_COLOUR, "width": 1.5, "shape": _shape(cloud)},
            hoverinfo="skip",
        )
    )


def _shape(cloud: Cloud) -> str:
    """Return how stairs run: a maximised metric turns them round."""
    minimised = METRICS.get(cloud.x).goal == "minimise"
    return "hv" if minimised else "vh"


def _add_edge(figure: go.Figure, table: StudyTable, cloud: Cloud) -> None:
    """Mark along the top where the trials lie that have no value on the vertical axis."""
    x = _place(table, cloud.x)
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
                    customdata=np.stack([table.number[rows], _words(table, rows)], axis=1),
                    hovertemplate=f"<b>%{{customdata[1]}}</b>, trial %{{customdata[0]}}<br>{name}"
                    "<extra></extra>",
                )
            )


def _add_rings(figure: go.Figure, table: StudyTable, cloud: Cloud) -> None:
    """Ring the selected trials."""
    rows = [n for n in cloud.selected if 0 <= n < len(table)]
    if rows:
        figure.add_trace(
            go.Scatter(
                x=_place(table, cloud.x)[rows],
                y=_place(table, cloud.y)[rows],
                mode="markers",
                name="chosen",
                marker={
                    "symbol": "circle-open",
                    "size": 24,
                    "color": FRONT_COLOUR,
                    "line": {"width": 2},
                },
                showlegend=False,
                hoverinfo="skip",
            )
        )


def _frame(figure: go.Figure, table: StudyTable, cloud: Cloud, rows: Rows) -> None:
    """Titles, ranges, budget lines and the colour scale."""
    styled(figure, height=HEIGHT)
    x, y = METRICS.get(cloud.x), METRICS.get(cloud.y)
    ranges = {}
    for metric in (x, y):
        values = _place(table, metric.name)[rows]
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
                annotation_position="bottom right",
            )


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
        low = max(low - reach, float(np.nanmin(ends[0][rows])) / metric.scale)
        high = min(high + reach, float(np.nanmax(ends[1][rows])) / metric.scale)
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    floor = 0.0 if values.min() >= 0 else -np.inf  # no axis of milliseconds starts below zero
    return max(low - margin, floor), high + margin


def _frame_3d(figure: go.Figure, cloud: Cloud) -> go.Figure:
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
