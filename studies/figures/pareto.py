"""A study as a plot: every design, the front, the named designs, and how uncertain they are.

Filled marks are exact or measured, hollow ones estimated. Bars are 80 % intervals of latency and
standard errors of the proxy loss; designs on the front and named ones have them, ``bars="all"``
draws them for every design. A candidate over budget was not trained: it has no loss, and is drawn
as a tick on the plot's edge at its place on the other axis. Stars are named designs, a dotted line
joins the steps of the design walk. Fronts are those of `studies.pareto`: dark points are on the
front of the study's objectives, the stairs are the front of the two axes shown.

>>> trials = [
...     TrialRecord(t, "COMPLETE", feasible=True, values={"macs": macs, "params": params})
...     for t, macs, params in [(0, 3e11, 4e8), (1, 2e11, 6e8), (2, 4e11, 5e8)]
... ]
>>> figure = pareto_figure(trials, ("macs", "params"), "params", "macs")
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
from studies.figures.axes import bar, number_sort, place
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
from studies.metric import Metric
from studies.metrics import METRICS, all_metrics
from studies.records import TrialRecord

Bars = Literal["few", "all", "none"]

HEIGHT = 540
PLOT = (620.0, 380.0)  # pixels that labels are laid out for; a wider plot only gives them more room
STAR = {"estimated": "star-open", "mixed": "star-open"}  # a named design; else a filled star


@dataclass(frozen=True)
class _Plot:
    """The two axes and how points are coloured."""

    x: Metric
    y: Metric
    colour: Metric | None
    bars: Bars

    def has(self, trial: TrialRecord) -> bool:
        return place(self.x, trial) is not None and place(self.y, trial) is not None


def pareto_figure(
    trials: Sequence[TrialRecord],
    objectives: Sequence[str],
    x: str,
    y: str,
    *,
    colour: str | None = None,
    budgets: Mapping[str, float] | None = None,
    bars: Bars = "few",
    selected: int | None = None,
) -> go.Figure:
    """Return the plot of ``trials`` over two metrics.

    ``objectives`` are the study's, which decide what is on the front. ``colour`` is a third metric,
    None to colour by role. ``budgets`` that lie on an axis become lines, ``selected`` is the number
    of the trial to ring. A point's ``customdata`` is [trial, hover text].
    """
    plot = _Plot(METRICS.get(x), METRICS.get(y), METRICS.get(colour) if colour else None, bars)
    placed = [trial for trial in trials if plot.has(trial)]
    stairs = pareto.distinct(pareto.front(placed, (x, y)))
    best = [r for r in pareto.distinct(pareto.front(trials, objectives)) if plot.has(r)]
    on_front = {trial.number for trial in best}
    same = set(objectives) == {x, y}
    named = pareto.distinct(trial for trial in placed if trial.name)
    special = on_front | {trial.number for trial in named}
    rest = [trial for trial in placed if trial.number not in special]
    figure = go.Figure()
    groups = (
        ("over budget", [r for r in rest if not pareto.counts(r)], INFEASIBLE_COLOUR, 1.0),
        ("not on the front", [r for r in rest if pareto.counts(r)], FEASIBLE_COLOUR, 1.0),
    )
    for name, group, paint, size in groups:
        if group:
            figure.add_trace(_points(group, plot, name, paint, size, bars=bars == "all"))
    for family, paint in FAMILY_COLOUR.items():
        steps = [trial for trial in walk_steps(trials, family) if plot.has(trial)]
        if len(steps) > 1:
            figure.add_trace(_walk_line(steps, plot, f"walk, family {family}", paint))
    if stairs:
        figure.add_trace(_stairs(stairs, plot, "front" if same else "front of these two axes"))
    plain = [trial for trial in best if not trial.name]
    drawn, words = bars != "none", "on the front" if same else "on the study's front"
    if plain:
        figure.add_trace(_points(plain, plot, words, FRONT_COLOUR, 1.15, bars=drawn))
    if named:
        figure.add_trace(_points(named, plot, "named", NAMED_COLOUR, 1.35, bars=drawn, star=True))
    unplaced = [
        trial for trial in trials if not plot.has(trial) and place(plot.x, trial) is not None
    ]
    _ring(figure, plot, next((trial for trial in placed if trial.number == selected), None))
    _frame(figure, plot, placed, budgets or {})
    if unplaced:
        figure.add_trace(_edge(unplaced, plot, figure.layout.xaxis.range[1]))
    _label(figure, plot, named, placed)
    return figure


def plotted(trials: Sequence[TrialRecord], x: str, y: str) -> bool:
    """Whether some trial has a place on these two axes."""
    plot = _Plot(METRICS.get(x), METRICS.get(y), None, "none")
    return any(map(plot.has, trials))


def walk_steps(trials: Sequence[TrialRecord], family: str) -> list[TrialRecord]:
    """Return the trials of ``family``'s walk steps in the walk's order, the first of each design.

    Empty where the trials hold only steps that the families share, such as `thin`.
    """
    by_digest = {trial.digest: trial for trial in reversed(trials) if trial.digest}
    steps = {name: _walk_digests(name) for name in FAMILIES}
    own = set(steps[family]).difference(*(d for name, d in steps.items() if name != family))
    if own.isdisjoint(by_digest):
        return []
    return [by_digest[digest] for digest in steps[family] if digest in by_digest]


@lru_cache
def _walk_digests(family: str) -> tuple[str, ...]:
    return tuple(spec.digest() for spec in walk_specs(FAMILIES[family]).values())


def _points(
    trials: Sequence[TrialRecord],
    plot: _Plot,
    name: str,
    paint: str,
    size: float,
    *,
    bars: bool,
    star: bool = False,
) -> go.Scatter:
    sorts = [number_sort(trial, (plot.x, plot.y)) for trial in trials]
    marker: dict[str, Any] = {
        "symbol": [STAR.get(s, "star") if star else MARK[s]["symbol"] for s in sorts],
        "size": [size * MARK[s]["size"] for s in sorts],
        "color": paint,
        "line": {"width": 2},
    }
    if plot.colour is not None:
        marker |= {
            "color": [place(plot.colour, trial) for trial in trials],
            "coloraxis": "coloraxis",
        }
    return go.Scatter(
        x=[place(plot.x, trial) for trial in trials],
        y=[place(plot.y, trial) for trial in trials],
        error_x=_bars(trials, plot.x, paint) if bars else None,
        error_y=_bars(trials, plot.y, paint) if bars else None,
        name=name,
        mode="markers",
        marker=marker,
        customdata=[[trial.number, hover_text(trial)] for trial in trials],
        hovertemplate="%{customdata[1]}<extra></extra>",
        unselected={"marker": {"opacity": 1}},  # the ring says what is selected
    )


def _bars(trials: Sequence[TrialRecord], metric: Metric, paint: str) -> dict[str, Any] | None:
    """Error bars from the trials' intervals, None on an axis where everything is exact."""
    intervals = [bar(metric, trial) for trial in trials]
    if not any(intervals):
        return None
    values = [place(metric, trial) or 0.0 for trial in trials]
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


def _walk_line(steps: Sequence[TrialRecord], plot: _Plot, name: str, paint: str) -> go.Scatter:
    return go.Scatter(
        x=[place(plot.x, trial) for trial in steps],
        y=[place(plot.y, trial) for trial in steps],
        name=name,
        mode="lines",
        line={"color": _translucent(paint, 0.6), "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
    )


def _stairs(best: Sequence[TrialRecord], plot: _Plot, name: str) -> go.Scatter:
    """Stairs: everything above and to the right of them is beaten by a design on the front."""
    return go.Scatter(
        x=[place(plot.x, trial) for trial in best],
        y=[place(plot.y, trial) for trial in best],
        name=name,
        mode="lines",
        line={"color": FRONT_COLOUR, "width": 1.5, "shape": "hv"},
        hoverinfo="skip",
    )


def _edge(trials: Sequence[TrialRecord], plot: _Plot, end: float) -> go.Scatter:
    """Ticks along the top for candidates without a value on the vertical axis.

    Those beyond ``end`` of the horizontal axis are arrows at its end: they would squeeze the rest.
    """
    trained = plot.y.stage == "trained"
    places = [place(plot.x, trial) or 0.0 for trial in trials]
    return go.Scatter(
        x=[min(place, end) for place in places],
        y=[0.985] * len(trials),
        yaxis="y2",
        cliponaxis=False,
        name="without a loss (over budget or failed)" if trained else f"without {plot.y.title}",
        mode="markers",
        marker={
            "symbol": ["triangle-right" if p > end else "line-ns-open" for p in places],
            "size": 11,
            "color": INFEASIBLE_COLOUR,
            "line": {"width": 2, "color": INFEASIBLE_COLOUR},
        },
        customdata=[[trial.number, hover_text(trial)] for trial in trials],
        hovertemplate="%{customdata[1]}<extra></extra>",
        unselected={"marker": {"opacity": 1}},
    )


def _ring(figure: go.Figure, plot: _Plot, trial: TrialRecord | None) -> None:
    if trial is None:
        return
    figure.add_trace(
        go.Scatter(
            x=[place(plot.x, trial)],
            y=[place(plot.y, trial)],
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
    figure: go.Figure, plot: _Plot, placed: Sequence[TrialRecord], budgets: Mapping[str, float]
) -> None:
    """Titles, ranges, budget lines and the colour scale."""
    styled(figure, height=HEIGHT)
    x_low, x_high = _range(placed, plot.x, plot.bars)
    y_low, y_high = _range(placed, plot.y, plot.bars)
    figure.update_layout(
        xaxis={"title": plot.x.axis_title, "range": [x_low, x_high], "zeroline": False},
        yaxis={"title": plot.y.axis_title, "range": [y_low, y_high], "zeroline": False},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
        legend={"yanchor": "top", "y": -0.17, "font": {"size": 12}},
        margin={"t": 30, "b": 120},
        clickmode="event+select",
        dragmode="pan",
    )
    if plot.colour is not None:
        scale = {"title": {"text": plot.colour.title, "side": "right"}, "thickness": 14}
        figure.update_layout(coloraxis={"colorscale": "Viridis", "colorbar": scale})
    for metric, add in ((plot.x, figure.add_vline), (plot.y, figure.add_hline)):
        limit = budgets.get(metric.name)
        low, high = (x_low, x_high) if metric is plot.x else (y_low, y_high)
        if limit is not None and low < limit / metric.scale < high:
            add(
                limit / metric.scale,
                line={"color": NAMED_COLOUR, "width": 1, "dash": "dash"},
                annotation={
                    "text": f"budget {limit / metric.scale:,.0f} {metric.unit}",
                    "font": {"size": 12, "color": NAMED_COLOUR},
                },
                annotation_position="bottom right",
            )


def _range(trials: Sequence[TrialRecord], metric: Metric, bars: Bars) -> tuple[float, float]:
    values = [value for trial in trials if (value := place(metric, trial)) is not None]
    if not values:
        return 0.0, 1.0
    if bars != "none":
        values += [end for trial in trials for end in bar(metric, trial) or ()]
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def _label(
    figure: go.Figure, plot: _Plot, named: Sequence[TrialRecord], placed: Sequence[TrialRecord]
) -> None:
    """Write the names beside their points, with a thin line where a name had to move away."""
    if not named:
        return
    x_range, y_range = figure.layout.xaxis.range, figure.layout.yaxis.range
    numbers = {trial.number for trial in named}
    others = [trial for trial in placed if trial.number not in numbers]
    spots = [_share(trial, plot, x_range, y_range) for trial in (*named, *others)]
    texts = [str(trial.name) for trial in named]
    offsets = place_labels(spots[: len(named)], texts, PLOT, spots[len(named) :])
    for trial, text, (right, up) in zip(named, texts, offsets, strict=True):
        figure.add_annotation(
            x=place(plot.x, trial),
            y=place(plot.y, trial),
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


def _share(trial: TrialRecord, plot: _Plot, x_range: Any, y_range: Any) -> tuple[float, float]:
    x, y = place(plot.x, trial) or 0.0, place(plot.y, trial) or 0.0
    return (
        (x - x_range[0]) / (x_range[1] - x_range[0]),
        (y - y_range[0]) / (y_range[1] - y_range[0]),
    )


def hover_text(trial: TrialRecord) -> str:
    """Return the text of a point: the design and its numbers with their uncertainty."""
    lines = [f"<b>{trial.label}</b>, trial {trial.number}"]
    shown = [m for m in all_metrics() if m.in_tables or m.name in trial.values]
    for metric in shown:
        found = trial.measured(metric.name)
        if found is None:
            continue
        note = {
            "exact": "",
            "stderr": ", standard error",
            "interval": f", {found.source}, 80 % interval",
        }[metric.uncertainty]
        name = (
            metric.title if metric.title.isupper() else metric.title[0].lower() + metric.title[1:]
        )
        lines.append(f"{name} {metric.write(found)}{note}")
    lines.append(verdict(trial))
    return "<br>".join(lines)


def verdict(trial: TrialRecord) -> str:
    """Return in a few words how a trial ended, and whether it kept its budgets."""
    if trial.failed:
        return f"failed: {trial.failed}"
    if trial.state == "PRUNED":
        return "over budget, not trained"
    if trial.state != "COMPLETE":
        return trial.state.lower()
    return {True: "within budget", False: "over budget", None: "budgets not checked"}[
        trial.feasible
    ]
