"""Growth of a study's front: the hypervolume after each trial, over trials or seconds.

Its unit is a product of the objectives' units, so the plot shows shares of the present value. All
values are taken at one reference point. Only steps are drawn, however many trials there are.

>>> from studies.records import TrialRecord
>>> trials = [
...     TrialRecord(t, "COMPLETE", feasible=True, values={"params": p, "macs": m})
...     for t, (p, m) in enumerate([(2.0, 3.0), (3.0, 2.0), (3.0, 3.0)])
... ]
>>> figure = progress_figure(StudyTable.of_records(trials, ("params", "macs")), ("params", "macs"))
>>> [round(share) for share in figure.data[0].y]
[57, 100, 100]
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go

from studies.figures.style import FEASIBLE_COLOUR, MARK, styled
from studies.study_table import StudyTable

Over = Literal["trials", "seconds"]


def progress_figure(
    table: StudyTable, objectives: Sequence[str], over: Over = "trials"
) -> go.Figure:
    """Return the plot of the front's hypervolume over the study's trials or its seconds."""
    order = np.arange(len(table)) if over == "trials" else _by_end(table)
    history = table.volumes(objectives, order)
    last = history[-1] if len(history) else 0.0
    share = 100 * history / last if last else np.zeros(len(history))
    if over == "trials":
        x, title = table.number[order].astype(float), "trial"
    else:
        x, title = table.ended[order] - np.nanmin(table.started), "seconds since the first trial"
    grew = np.flatnonzero(np.diff(history, prepend=0.0) > 0)
    steps = np.union1d(grew, [0, len(history) - 1]).astype(int) if len(history) else grew
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            x=x[steps],
            y=share[steps],
            mode="lines",
            line={"color": FEASIBLE_COLOUR, "width": 2, "shape": "hv"},
            fill="tozeroy",
            fillcolor="rgba(11, 110, 153, 0.08)",
            customdata=history[steps],
            hovertemplate=f"{title} %{{x:,.0f}}: %{{y:.1f}} % (%{{customdata:,.4g}})"
            "<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=x[grew],
            y=share[grew],
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
        xaxis={"title": title, "rangemode": "tozero"},
        yaxis={"title": "hypervolume, %", "range": [0, 106]},
    )
    return figure


def _by_end(table: StudyTable) -> np.ndarray:
    """Return the trials that ended, in the order of their ends."""
    rows = np.flatnonzero(~np.isnan(table.ended))
    return rows[np.argsort(table.ended[rows], kind="stable")]
