"""The path of a design walk over the cloud that a study searched, in any two metrics.

>>> from search_space.cost import Cost
>>> steps = [TrialRecord(-1, "WAITING", name=n, cost=Cost(p, p, 2 * p, p, p))
...          for n, p in (("sdxl", 2_567_000_000), ("thin", 632_000_000))]
>>> [trace.name for trace in path_figure({"family F": steps}, [], "params", "macs").data]
['family F']
"""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from studies.figures.axes import bar, place
from studies.figures.labels import place_labels
from studies.figures.style import FAMILY_COLOUR, INFEASIBLE_COLOUR, MARK, styled
from studies.metric import Metric
from studies.metrics import METRICS
from studies.records import TrialRecord

COLOURS = (FAMILY_COLOUR["F"], FAMILY_COLOUR["M"], "#6a8d3a")
PLOT = (640.0, 420.0)  # pixels that names are laid out for
LOG_FROM = 2.5  # times the least value that the largest is
Placed = tuple[float, float]


def path_figure(
    paths: Mapping[str, Sequence[TrialRecord]], cloud: Sequence[TrialRecord], x: str, y: str
) -> go.Figure:
    """Return ``paths`` by name over the trials ``cloud``.

    An axis is logarithmic where the largest value is several times the least. Steps and trials
    without a place on both axes are left out.
    """
    across, up = METRICS.get(x), METRICS.get(y)
    figure = go.Figure()
    spots = [spot for trial in cloud if (spot := _spot(trial, across, up))]
    if spots:
        figure.add_trace(
            go.Scattergl(
                x=[spot[0] for spot in spots],
                y=[spot[1] for spot in spots],
                mode="markers",
                name="searched",
                marker={"color": INFEASIBLE_COLOUR, "size": 6, "opacity": 0.7},
                text=[trial.label for trial in cloud if _spot(trial, across, up)],
                hovertemplate="%{text}: %{x:,.1f}, %{y:,.3g}<extra>searched</extra>",
            )
        )
    for colour, (name, steps) in zip(COLOURS, paths.items(), strict=False):
        found = [(step, spot) for step in steps if (spot := _spot(step, across, up))]
        figure.add_trace(_path(name, found, across, up, colour))
    every = [*spots, *(s for steps in paths.values() for t in steps if (s := _spot(t, across, up)))]
    styled(figure, height=560)
    figure.update_layout(
        xaxis={"title": across.axis_title, **_axis(every, 0)},
        yaxis={"title": up.axis_title, **_axis(every, 1)},
        legend={"yanchor": "top", "y": -0.16},
        margin={"t": 20, "b": 90},
    )
    _label(figure, paths, across, up, every)
    return figure


def _spot(trial: TrialRecord, x: Metric, y: Metric) -> Placed | None:
    across, up = place(x, trial), place(y, trial)
    return None if not across or not up or across <= 0 or up <= 0 else (across, up)


def _path(
    name: str, found: Sequence[tuple[TrialRecord, Placed]], x: Metric, y: Metric, colour: str
) -> go.Scatter:
    estimated = "estimated" if x.uncertainty != "exact" or y.uncertainty != "exact" else "exact"
    return go.Scatter(
        x=[spot[0] for _, spot in found],
        y=[spot[1] for _, spot in found],
        error_x=_bars(x, found, 0),
        error_y=_bars(y, found, 1),
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 2},
        marker={**MARK[estimated], "color": colour},
        text=[step.label for step, _ in found],
        hovertemplate="%{text}: %{x:,.1f}, %{y:,.3g}<extra>%{fullData.name}</extra>",
    )


def _bars(
    metric: Metric, found: Sequence[tuple[TrialRecord, Placed]], axis: int
) -> dict[str, object] | None:
    ends = [bar(metric, step) for step, _ in found]
    if not any(ends):
        return None
    values = [spot[axis] for _, spot in found]
    return {
        "type": "data",
        "symmetric": False,
        "array": [end[1] - v if end else 0 for end, v in zip(ends, values, strict=True)],
        "arrayminus": [v - end[0] if end else 0 for end, v in zip(ends, values, strict=True)],
        "thickness": 1,
        "width": 3,
    }


def _is_log(every: Sequence[Placed], axis: int) -> bool:
    values = [spot[axis] for spot in every]
    return bool(values) and max(values) > LOG_FROM * min(values)


def _axis(every: Sequence[Placed], axis: int) -> dict[str, object]:
    """Return the layout of an axis: round numbers on a logarithmic one, else plotly's own."""
    if not _is_log(every, axis):
        return {}
    low, high = min(spot[axis] for spot in every), max(spot[axis] for spot in every)
    steps = [m * 10.0**e for e in range(-6, 9) for m in (1, 2, 3, 5)]
    values = [v for v in steps if low * 0.6 <= v <= high * 1.6]
    return {"type": "log", "tickvals": values, "ticktext": [f"{v:,.6g}" for v in values]}


def _label(
    figure: go.Figure,
    paths: Mapping[str, Sequence[TrialRecord]],
    x: Metric,
    y: Metric,
    every: Sequence[Placed],
) -> None:
    """Name the steps of the first path beside their points; ``every`` are all points."""
    steps = next(iter(paths.values()), ())
    named = [(step.label, spot) for step in steps if (spot := _spot(step, x, y))]
    if not named:
        return
    scales = [math.log10 if _is_log(every, i) else float for i in (0, 1)]
    ends = [sorted(scales[i](spot[i]) for spot in every) for i in (0, 1)]
    low = [one[0] - 0.06 * (one[-1] - one[0] or 1) for one in ends]
    span = [1.12 * (one[-1] - one[0] or 1) for one in ends]

    def share(spot: Placed) -> Placed:
        across, up = ((scales[i](spot[i]) - low[i]) / span[i] for i in (0, 1))
        return across, up

    others = [share(spot) for spot in every[:300]]
    texts = [text for text, _ in named]
    offsets = place_labels([share(spot) for _, spot in named], texts, PLOT, others)
    for (text, spot), (right, over) in zip(named, offsets, strict=True):
        figure.add_annotation(
            x=scales[0](spot[0]),
            y=scales[1](spot[1]),
            ax=right,
            ay=-over,
            text=_plain(text),
            font={"size": 12},
            arrowwidth=0.6,
            arrowhead=0,
            showarrow=True,
        )


def _plain(text: str) -> str:
    """Return ``text`` as plotly's labels show it: they read some HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
