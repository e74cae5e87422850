"""A study as a plot: every design, the front, the named designs, and how uncertain they are.

Filled marks are exact or measured, hollow ones estimated. Bars are 80 % intervals of latency and
standard errors of the proxy loss; designs on the front and named ones have them, ``bars="all"``
draws them for every design. A candidate over budget was not trained: it has no loss, and is drawn
as a tick on the plot's edge at its place on the other axis. Stars are named designs, a dotted line
joins the steps of the design walk. A design is drawn at the highest rung that it was trained on,
small and pale where others were trained on a higher one. Fronts are those of `studies.pareto`: dark
points are on the front of the study's objectives, the stairs are the front of the two axes shown.

>>> trials = [
...     TrialRecord(t, "COMPLETE", feasible=True, values={"macs": macs, "params": params})
...     for t, macs, params in [(0, 3e11, 4e8), (1, 2e11, 6e8), (2, 4e11, 5e8)]
... ]
>>> figure = pareto_figure(trials, ("macs", "params"), "params", "macs")
>>> [trace.name for trace in figure.data]
['not on the front', 'front', 'on the front']
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import plotly.graph_objects as go

from studies import pareto
from studies.figures import pareto_marks as marks
from studies.figures.axes import bar, place
from studies.figures.labels import place_labels
from studies.figures.pareto_marks import Plot
from studies.figures.style import (
    FAMILY_COLOUR,
    FEASIBLE_COLOUR,
    FRONT_COLOUR,
    INFEASIBLE_COLOUR,
    LOWER_COLOUR,
    NAMED_COLOUR,
    styled,
    translucent,
)
from studies.metric import Metric
from studies.metrics import METRICS
from studies.records import TrialRecord
from studies.walk_trials import steps_of_walk

Bars = Literal["few", "all", "none"]

HEIGHT = 540
PLOT = (620.0, 380.0)  # pixels that labels are laid out for; a wider plot only gives them more room


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
    plot = Plot(METRICS.get(x), METRICS.get(y), METRICS.get(colour) if colour else None)
    trials = pareto.highest(trials)
    placed = [trial for trial in trials if plot.has(trial)]
    corner = pareto.distinct(pareto.front(placed, (x, y)))
    best = [r for r in pareto.distinct(pareto.front(trials, objectives)) if plot.has(r)]
    on_front = {trial.number for trial in best}
    same = set(objectives) == {x, y}
    named = pareto.distinct(trial for trial in placed if trial.name)
    special = on_front | {trial.number for trial in named}
    others = [trial for trial in placed if trial.number not in special]
    compared = {trial.number for trial in pareto.comparable(trials, objectives)}
    below = {r.number for r in placed if pareto.counts(r) and r.number not in compared}
    lower = [r for r in others if r.number in below]
    figure = go.Figure()
    groups = (
        ("over budget", [r for r in others if not pareto.counts(r)], INFEASIBLE_COLOUR, 1.0),
        ("on a lower rung", lower, LOWER_COLOUR, 0.7),
        ("not on the front", [r for r in others if r.number in compared], FEASIBLE_COLOUR, 1.0),
    )
    for name, group, paint, size in groups:
        if group:
            figure.add_trace(marks.points(group, plot, name, paint, size, bars=bars == "all"))
    for family, paint in FAMILY_COLOUR.items():
        steps = [trial for trial in steps_of_walk(trials, family) if plot.has(trial)]
        if len(steps) > 1:
            figure.add_trace(marks.walk_line(steps, plot, f"walk, family {family}", paint))
    if corner:
        figure.add_trace(marks.stairs(corner, plot, "front" if same else "front of these two axes"))
    plain = [trial for trial in best if not trial.name]
    drawn, words = bars != "none", "on the front" if same else "on the study's front"
    if plain:
        figure.add_trace(marks.points(plain, plot, words, FRONT_COLOUR, 1.15, bars=drawn))
    stars = (
        ("named", [r for r in named if r.number not in below], 1.35),
        ("named, on a lower rung", [r for r in named if r.number in below], 0.8),
    )
    for name, group, size in stars:
        if group:
            figure.add_trace(
                marks.points(group, plot, name, NAMED_COLOUR, size, bars=drawn, star=True)
            )
    unplaced = [
        trial for trial in trials if not plot.has(trial) and place(plot.x, trial) is not None
    ]
    marks.ring(figure, plot, next((trial for trial in placed if trial.number == selected), None))
    _frame(figure, plot, placed, budgets or {}, drawn)
    if unplaced:
        figure.add_trace(marks.edge(unplaced, plot, figure.layout.xaxis.range[1]))
    _label(figure, plot, named, placed)
    return figure


def plotted(trials: Sequence[TrialRecord], x: str, y: str) -> bool:
    """Whether some trial has a place on these two axes."""
    plot = Plot(METRICS.get(x), METRICS.get(y))
    return any(map(plot.has, trials))


def _frame(
    figure: go.Figure,
    plot: Plot,
    placed: Sequence[TrialRecord],
    budgets: Mapping[str, float],
    with_bars: bool,
) -> None:
    """Titles, ranges, budget lines and the colour scale."""
    styled(figure, height=HEIGHT)
    x_low, x_high = _range(placed, plot.x, with_bars)
    y_low, y_high = _range(placed, plot.y, with_bars)
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
                    "text": f"budget {limit / metric.scale:,.6g} {metric.unit}",
                    "font": {"size": 12, "color": NAMED_COLOUR},
                },
                annotation_position="bottom right",
            )


def _range(trials: Sequence[TrialRecord], metric: Metric, with_bars: bool) -> tuple[float, float]:
    values = [value for trial in trials if (value := place(metric, trial)) is not None]
    if not values:
        return 0.0, 1.0
    if with_bars:
        values += [end for trial in trials for end in bar(metric, trial) or ()]
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def _label(
    figure: go.Figure, plot: Plot, named: Sequence[TrialRecord], placed: Sequence[TrialRecord]
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
            arrowcolor=translucent(NAMED_COLOUR, 0.5),
            arrowwidth=1,
            arrowhead=0,
            standoff=8,
            font={"size": 12, "color": NAMED_COLOUR},
            bgcolor="rgba(255, 255, 255, 0.8)",
        )


def _share(trial: TrialRecord, plot: Plot, x_range: Any, y_range: Any) -> tuple[float, float]:
    x, y = place(plot.x, trial) or 0.0, place(plot.y, trial) or 0.0
    return (
        (x - x_range[0]) / (x_range[1] - x_range[0]),
        (y - y_range[0]) / (y_range[1] - y_range[0]),
    )
