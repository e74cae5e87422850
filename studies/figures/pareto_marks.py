"""The traces of a study's plot: points with their bars, stairs, ticks at the edge, the ring.

>>> from studies.metrics import METRICS
>>> plot = Plot(METRICS.get("params"), METRICS.get("macs"))
>>> plot.has(TrialRecord(0, "COMPLETE", values={"params": 1.0, "macs": 2.0}))
True
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from studies.figures.axes import bar, number_sort, place
from studies.figures.hover import hover_text
from studies.figures.style import FRONT_COLOUR, INFEASIBLE_COLOUR, MARK, translucent
from studies.metric import Metric
from studies.records import TrialRecord

STAR = {"estimated": "star-open", "mixed": "star-open"}  # a named design; else a filled star


@dataclass(frozen=True)
class Plot:
    """The two axes and how points are coloured."""

    x: Metric
    y: Metric
    colour: Metric | None = None

    def has(self, trial: TrialRecord) -> bool:
        """Whether ``trial`` has a place on both axes."""
        return place(self.x, trial) is not None and place(self.y, trial) is not None


def points(
    trials: Sequence[TrialRecord],
    plot: Plot,
    name: str,
    paint: str,
    size: float,
    *,
    bars: bool,
    star: bool = False,
) -> go.Scatter:
    """Return designs as points of one colour; stars are named ones."""
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
        "color": translucent(paint, 0.3),
        "thickness": 1.2,
        "width": 3,
    }


def walk_line(steps: Sequence[TrialRecord], plot: Plot, name: str, paint: str) -> go.Scatter:
    """Return the dotted line that joins the steps of a walk."""
    return go.Scatter(
        x=[place(plot.x, trial) for trial in steps],
        y=[place(plot.y, trial) for trial in steps],
        name=name,
        mode="lines",
        line={"color": translucent(paint, 0.6), "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
    )


def stairs(best: Sequence[TrialRecord], plot: Plot, name: str) -> go.Scatter:
    """Stairs: everything above and to the right of them is beaten by a design on the front."""
    return go.Scatter(
        x=[place(plot.x, trial) for trial in best],
        y=[place(plot.y, trial) for trial in best],
        name=name,
        mode="lines",
        line={"color": FRONT_COLOUR, "width": 1.5, "shape": "hv"},
        hoverinfo="skip",
    )


def edge(trials: Sequence[TrialRecord], plot: Plot, end: float) -> go.Scatter:
    """Ticks along the top for candidates without a value on the vertical axis.

    Those beyond ``end`` of the horizontal axis are arrows at its end, to keep its scale.
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


def ring(figure: go.Figure, plot: Plot, trial: TrialRecord | None) -> None:
    """Ring the selected trial, if there is one."""
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
