"""Growth of a study's front: the hypervolume after each trial.

Its unit is a product of the objectives' units, so the plot shows shares of the present value. All
values are taken at one reference point.

>>> trials = [
...     TrialRecord(t, "COMPLETE", feasible=True, values={"params": p, "macs": m})
...     for t, (p, m) in enumerate([(2.0, 3.0), (3.0, 2.0), (3.0, 3.0)])
... ]
>>> figure = progress_figure(trials, ("params", "macs"))
>>> [round(share) for share in figure.data[0].y]
[57, 100, 100]
"""

from collections.abc import Sequence

import plotly.graph_objects as go

from studies import pareto
from studies.figures.style import FEASIBLE_COLOUR, MARK, styled
from studies.records import TrialRecord


def progress_figure(trials: Sequence[TrialRecord], objectives: Sequence[str]) -> go.Figure:
    """Return the plot of the front's hypervolume over ``trials`` in the order of their trials."""
    history = pareto.hypervolume_history(trials, objectives)
    last = history[-1] if history else 0.0
    share = [100 * value / last if last else 0.0 for value in history]
    numbers = [trial.number for trial in trials]
    gains = [i for i, v in enumerate(history) if v > (history[i - 1] if i else 0.0)]
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            x=numbers,
            y=share,
            mode="lines",
            line={"color": FEASIBLE_COLOUR, "width": 2, "shape": "hv"},
            fill="tozeroy",
            fillcolor="rgba(11, 110, 153, 0.08)",
            customdata=history,
            hovertemplate="trial %{x}: %{y:.1f} % (%{customdata:,.4g})<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[numbers[i] for i in gains],
            y=[share[i] for i in gains],
            name="the front grew",
            mode="markers",
            marker={**MARK["exact"], "color": FEASIBLE_COLOUR},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    styled(figure, height=260)
    figure.update_layout(
        margin={"t": 20, "b": 50},
        xaxis={"title": "trial", "rangemode": "tozero"},
        yaxis={"title": "hypervolume, %", "range": [0, 106]},
    )
    return figure
