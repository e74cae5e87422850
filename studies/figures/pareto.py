"""A study as a plot: every design, the front, the named designs, what is uncertain.

Filled marks are exact or measured, hollow ones estimated. Bars are 80 % intervals of latency and
standard errors of the proxy loss; designs on the front and named ones have them, ``bars="all"``
draws them for every design. A candidate over budget was not trained: it has no loss, and is drawn
as a tick on the plot's edge, at the place it would have. Stars are named designs, a dotted line
joins the steps of the design walk. Fronts are those of `studies.pareto`: dark points are on the
front of the study's objectives, the stairs are the front of the two axes shown.

>>> rows = [
...     {"trial": t, "state": "COMPLETE", "feasible": True, "name": None, "digest": str(t),
...      "values": {"proxy_loss": loss}, "cost": {"params": params}, "latency": None,
...      "score": {"value": loss, "stderr": 0.01}, "failed": None}
...     for t, loss, params in [(0, 0.3, 4e8), (1, 0.2, 6e8), (2, 0.4, 5e8)]
... ]
>>> figure = pareto_figure(rows, ("proxy_loss", "params"), "params", "proxy_loss")
>>> [trace.name for trace in figure.data]
['not on the front', 'front', 'on the front']
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import plotly.graph_objects as go

from search_space.presets import FAMILIES, walk_specs
from studies import pareto
from studies.figures.axes import AXES, Axis, number_sort
from studies.figures.labels import place_labels
from studies.figures.style import (
    FAMILY_COLOUR,
    FEASIBLE_COLOUR,
    FRONT_COLOUR,
    INFEASIBLE_COLOUR,
    MARK,
    NAMED_COLOUR,
    styled,
)

Row = Mapping[str, Any]
Bars = Literal["few", "all", "none"]

HEIGHT = 540
PLOT = (620.0, 380.0)  # pixels that labels are laid out for; a wider plot only gives them more room
STAR = {"estimated": "star-open", "mixed": "star-open"}  # a named design; else a filled star


@dataclass(frozen=True)
class _Plot:
    """The two axes, how points are coloured, and the rows that have a place."""

    x: Axis
    y: Axis
    colour: Axis | None
    bars: Bars

    def has(self, row: Row) -> bool:
        return self.x.value(row) is not None and self.y.value(row) is not None


def pareto_figure(
    rows: Sequence[Row],
    objectives: Sequence[str],
    x: str,
    y: str,
    *,
    colour: str | None = None,
    budgets: Mapping[str, float] | None = None,
    bars: Bars = "few",
    selected: int | None = None,
) -> go.Figure:
    """Return the plot of ``rows`` (see `studies.store.rows`) over two keys of `AXES`.

    ``objectives`` are the study's, which decide what is on the front. ``colour`` is a third key,
    None to colour by role. ``budgets`` that lie on an axis become lines, ``selected`` is the number
    of the trial to ring. A point's ``customdata`` is [trial, hover text].
    """
    plot = _Plot(AXES[x], AXES[y], AXES[colour] if colour else None, bars)
    placed = [row for row in rows if plot.has(row)]
    stairs = pareto.distinct(pareto.front(placed, (x, y)))
    best = [r for r in pareto.distinct(pareto.front(rows, objectives)) if plot.has(r)]
    on_front = {row["trial"] for row in best}
    same = set(objectives) == {x, y}
    named = pareto.distinct(row for row in placed if row["name"])
    special = on_front | {row["trial"] for row in named}
    rest = [row for row in placed if row["trial"] not in special]
    figure = go.Figure()
    groups = (
        ("over budget", [r for r in rest if not pareto.counts(r)], INFEASIBLE_COLOUR, 1.0),
        ("not on the front", [r for r in rest if pareto.counts(r)], FEASIBLE_COLOUR, 1.0),
    )
    for name, group, paint, size in groups:
        if group:
            figure.add_trace(_points(group, plot, name, paint, size, bars=bars == "all"))
    for family, paint in FAMILY_COLOUR.items():
        steps = [row for row in walk_steps(rows, family) if plot.has(row)]
        if len(steps) > 1:
            figure.add_trace(_walk_line(steps, plot, f"walk, family {family}", paint))
    if stairs:
        figure.add_trace(_stairs(stairs, plot, "front" if same else "front of these two axes"))
    plain = [row for row in best if not row["name"]]
    drawn, words = bars != "none", "on the front" if same else "on the study's front"
    if plain:
        figure.add_trace(_points(plain, plot, words, FRONT_COLOUR, 1.15, bars=drawn))
    if named:
        figure.add_trace(_points(named, plot, "named", NAMED_COLOUR, 1.35, bars=drawn, star=True))
    unplaced = [row for row in rows if not plot.has(row) and plot.x.value(row) is not None]
    _ring(figure, plot, next((row for row in placed if row["trial"] == selected), None))
    _frame(figure, plot, placed, budgets or {})
    if unplaced:
        figure.add_trace(_edge(unplaced, plot, figure.layout.xaxis.range[1]))
    _label(figure, plot, named, placed)
    return figure


def plotted(rows: Sequence[Row], x: str, y: str) -> bool:
    """Whether some row has a place on these two axes."""
    plot = _Plot(AXES[x], AXES[y], None, "none")
    return any(map(plot.has, rows))


def walk_steps(rows: Sequence[Row], family: str) -> list[Row]:
    """Return the rows of ``family``'s walk steps in the walk's order, the first of each design.

    Empty where the rows hold only steps that the families share, such as `thin`.
    """
    by_digest = {row["digest"]: row for row in reversed(rows) if row["digest"]}
    steps = {name: _walk_digests(name) for name in FAMILIES}
    own = set(steps[family]).difference(*(d for name, d in steps.items() if name != family))
    if own.isdisjoint(by_digest):
        return []
    return [by_digest[digest] for digest in steps[family] if digest in by_digest]


@lru_cache
def _walk_digests(family: str) -> tuple[str, ...]:
    return tuple(spec.digest() for spec in walk_specs(FAMILIES[family]).values())


def _points(
    rows: Sequence[Row],
    plot: _Plot,
    name: str,
    paint: str,
    size: float,
    *,
    bars: bool,
    star: bool = False,
) -> go.Scatter:
    sorts = [number_sort(row, (plot.x, plot.y)) for row in rows]
    marker: dict[str, Any] = {
        "symbol": [STAR.get(s, "star") if star else MARK[s]["symbol"] for s in sorts],
        "size": [size * MARK[s]["size"] for s in sorts],
        "color": paint,
        "line": {"width": 2},
    }
    if plot.colour is not None:
        marker |= {"color": [plot.colour.value(row) for row in rows], "coloraxis": "coloraxis"}
    return go.Scatter(
        x=[plot.x.value(row) for row in rows],
        y=[plot.y.value(row) for row in rows],
        error_x=_bars(rows, plot.x, paint) if bars else None,
        error_y=_bars(rows, plot.y, paint) if bars else None,
        name=name,
        mode="markers",
        marker=marker,
        customdata=[[row["trial"], hover_text(row)] for row in rows],
        hovertemplate="%{customdata[1]}<extra></extra>",
        unselected={"marker": {"opacity": 1}},  # the ring says what is selected
    )


def _bars(rows: Sequence[Row], axis: Axis, paint: str) -> dict[str, Any] | None:
    """Error bars from the rows' intervals, None on an axis where everything is exact."""
    intervals = [axis.interval(row) for row in rows]
    if not any(intervals):
        return None
    values = [axis.value(row) or 0.0 for row in rows]
    pairs = [
        (v - i[0], i[1] - v) if i else (0.0, 0.0) for v, i in zip(values, intervals, strict=True)
    ]
    return {
        "type": "data",
        "symmetric": False,
        "array": [high for _, high in pairs],
        "arrayminus": [low for low, _ in pairs],
        "color": _translucent(paint, 0.3),
        "thickness": 1.2,
        "width": 3,
    }


def _translucent(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha})"


def _walk_line(steps: Sequence[Row], plot: _Plot, name: str, paint: str) -> go.Scatter:
    return go.Scatter(
        x=[plot.x.value(row) for row in steps],
        y=[plot.y.value(row) for row in steps],
        name=name,
        mode="lines",
        line={"color": _translucent(paint, 0.6), "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
    )


def _stairs(best: Sequence[Row], plot: _Plot, name: str) -> go.Scatter:
    """Stairs: everything above and to the right of them is beaten by a design on the front."""
    return go.Scatter(
        x=[plot.x.value(row) for row in best],
        y=[plot.y.value(row) for row in best],
        name=name,
        mode="lines",
        line={"color": FRONT_COLOUR, "width": 1.5, "shape": "hv"},
        hoverinfo="skip",
    )


def _edge(rows: Sequence[Row], plot: _Plot, end: float) -> go.Scatter:
    """Ticks along the top for candidates without a value on the vertical axis.

    Those beyond ``end`` of the horizontal axis are arrows at its end: they would squeeze the rest.
    """
    trained = plot.y.key == "proxy_loss"
    places = [plot.x.value(row) or 0.0 for row in rows]
    return go.Scatter(
        x=[min(place, end) for place in places],
        y=[0.985] * len(rows),
        yaxis="y2",
        cliponaxis=False,
        name="without a loss (over budget or failed)" if trained else f"without {plot.y.name}",
        mode="markers",
        marker={
            "symbol": ["triangle-right" if p > end else "line-ns-open" for p in places],
            "size": 11,
            "color": INFEASIBLE_COLOUR,
            "line": {"width": 2, "color": INFEASIBLE_COLOUR},
        },
        customdata=[[row["trial"], hover_text(row)] for row in rows],
        hovertemplate="%{customdata[1]}<extra></extra>",
        unselected={"marker": {"opacity": 1}},
    )


def _ring(figure: go.Figure, plot: _Plot, row: Row | None) -> None:
    if row is None:
        return
    figure.add_trace(
        go.Scatter(
            x=[plot.x.value(row)],
            y=[plot.y.value(row)],
            mode="markers",
            marker={
                "symbol": "circle-open",
                "size": 26,
                "color": FRONT_COLOUR,
                "line": {"width": 2},
            },
            showlegend=False,
            hoverinfo="skip",
        )
    )


def _frame(
    figure: go.Figure, plot: _Plot, placed: Sequence[Row], budgets: Mapping[str, float]
) -> None:
    """Titles, ranges, budget lines and the colour scale."""
    styled(figure, height=HEIGHT)
    x_low, x_high = _range(placed, plot.x, plot.bars)
    y_low, y_high = _range(placed, plot.y, plot.bars)
    figure.update_layout(
        xaxis={"title": plot.x.title, "range": [x_low, x_high], "zeroline": False},
        yaxis={"title": plot.y.title, "range": [y_low, y_high], "zeroline": False},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
        legend={"yanchor": "top", "y": -0.17, "font": {"size": 12}},
        margin={"t": 30, "b": 120},
        clickmode="event+select",
        dragmode="pan",
    )
    if plot.colour is not None:
        scale = {"title": {"text": plot.colour.name, "side": "right"}, "thickness": 14}
        figure.update_layout(coloraxis={"colorscale": "Viridis", "colorbar": scale})
    for axis, add in ((plot.x, figure.add_vline), (plot.y, figure.add_hline)):
        limit = budgets.get(axis.key)
        low, high = (x_low, x_high) if axis is plot.x else (y_low, y_high)
        if limit is not None and low < limit / axis.unit < high:
            add(
                limit / axis.unit,
                line={"color": NAMED_COLOUR, "width": 1, "dash": "dash"},
                annotation={
                    "text": f"budget {limit / axis.unit:,.0f} {axis.suffix}",
                    "font": {"size": 12, "color": NAMED_COLOUR},
                },
                annotation_position="bottom right",
            )


def _range(rows: Sequence[Row], axis: Axis, bars: Bars) -> tuple[float, float]:
    values = [value for row in rows if (value := axis.value(row)) is not None]
    if not values:
        return 0.0, 1.0
    if bars != "none":
        values += [end for row in rows for end in axis.interval(row) or ()]
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def _label(figure: go.Figure, plot: _Plot, named: Sequence[Row], placed: Sequence[Row]) -> None:
    """Write the names beside their points, with a thin line where a name had to move away."""
    if not named:
        return
    x_range, y_range = figure.layout.xaxis.range, figure.layout.yaxis.range
    numbers = {row["trial"] for row in named}
    others = [row for row in placed if row["trial"] not in numbers]
    spots = [_share(row, plot, x_range, y_range) for row in (*named, *others)]
    texts = [str(row["name"]) for row in named]
    offsets = place_labels(spots[: len(named)], texts, PLOT, spots[len(named) :])
    for row, text, (right, up) in zip(named, texts, offsets, strict=True):
        figure.add_annotation(
            x=plot.x.value(row),
            y=plot.y.value(row),
            text=text,
            ax=right,
            ay=-up,
            arrowcolor=_translucent(NAMED_COLOUR, 0.5),
            arrowwidth=1,
            arrowhead=0,
            standoff=8,
            font={"size": 12, "color": NAMED_COLOUR},
            bgcolor="rgba(255, 255, 255, 0.8)",
        )


def _share(row: Row, plot: _Plot, x_range: Any, y_range: Any) -> tuple[float, float]:
    x, y = plot.x.value(row) or 0.0, plot.y.value(row) or 0.0
    return (
        (x - x_range[0]) / (x_range[1] - x_range[0]),
        (y - y_range[0]) / (y_range[1] - y_range[0]),
    )


def hover_text(row: Row) -> str:
    """Return what a point says: which design, every number with what is uncertain about it."""
    lines = [f"<b>{row['name'] or row['digest']}</b>, trial {row['trial']}"]
    for key in ("proxy_loss", "latency_ms", "params", "macs"):
        axis = AXES[key]
        if axis.value(row) is None:
            continue
        note = ""
        if axis.kind == "latency" and row.get("latency"):
            note = f", {row['latency']['source']}, 80 % interval"
        elif axis.kind == "loss":
            note = ", standard error"
        lines.append(f"{axis.name.lower() if key != 'macs' else 'MACs'} {axis.write(row)}{note}")
    lines.append(verdict(row))
    return "<br>".join(lines)


def verdict(row: Row) -> str:
    """Return in a few words how a trial ended, and whether it kept its budgets."""
    if row.get("failed"):
        return f"failed: {row['failed']}"
    if row["state"] == "PRUNED":
        return "over budget, not trained"
    if row["state"] != "COMPLETE":
        return str(row["state"]).lower()
    return {True: "within budget", False: "over budget", None: "budgets not checked"}[
        row["feasible"]
    ]
