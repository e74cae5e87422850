"""A design walk as one figure: params, MACs, memory and estimated latency, step by step.

Lines are our figures. An open diamond is where the published change leads from our step before: on
the line where the reconstruction follows the paper, off it where it does not.

>>> from studies.walk import walk_rows
>>> [trace.name for trace in walk_figure(walk_rows("M")).data][:2]
['family M', 'published change, family M']
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from studies.figures.style import FAMILY_COLOUR, MARK, styled

Row = Mapping[str, Any]

PANELS = (  # field, title, what a printed unit is
    ("params", "Parameters (millions, exact)", 1e6),
    ("macs", "MACs at a 128×128 latent (billions, exact)", 1e9),
    ("peak_activation_bytes", "Peak activation memory (MiB, exact)", float(1 << 20)),
    ("latency_ms", "Latency on {device} (ms, estimated, bar = 80 % interval)", 1.0),
)


def walk_figure(rows: Sequence[Row]) -> go.Figure:
    """Return the walk of every family in ``rows`` (see `studies.walk.walk_rows`)."""
    panels = [panel for panel in PANELS if all(row.get(panel[0]) is not None for row in rows)]
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.07,
        subplot_titles=[title.format(device=rows[0].get("device")) for _, title, _ in panels],
    )
    for number, (field, _, unit) in enumerate(panels, start=1):
        for family in dict.fromkeys(row["family"] for row in rows):
            own = [row for row in rows if row["family"] == family]
            figure.add_trace(_line(own, field, unit, family, number == 1), row=number, col=1)
            for diamonds in _published(own, field, unit, family, number == 1):
                figure.add_trace(diamonds, row=number, col=1)
        figure.update_yaxes(type="log", row=number, col=1, **_ticks(rows, field, unit))
    styled(figure, height=300 * len(panels))
    figure.update_layout(legend={"y": 1.05}, margin={"t": 90})
    return figure


def _line(rows: Sequence[Row], field: str, unit: float, family: str, legend: bool) -> go.Scatter:
    estimated = field == "latency_ms"
    values = [row[field] / unit for row in rows]
    bars = None
    if estimated:
        bars = {
            "type": "data",
            "symmetric": False,
            "array": [row["latency_high_ms"] - row["latency_ms"] for row in rows],
            "arrayminus": [row["latency_ms"] - row["latency_low_ms"] for row in rows],
            "thickness": 1.2,
            "width": 4,
        }
    colour, words = _colour(family), _words(family)
    return go.Scatter(
        x=[row["step"] for row in rows],
        y=values,
        error_y=bars,
        name=words,
        legendgroup=family,
        showlegend=legend,
        mode="lines+markers",
        line={"color": colour, "dash": "dot" if estimated else "solid", "width": 2},
        marker={**MARK["estimated" if estimated else "exact"], "color": colour},
        customdata=[[row["change"], f"{family}/{row['step']}"] for row in rows],
        hovertemplate=f"{words}, %{{x}}: %{{y:,.1f}}<br>%{{customdata[0]}}<extra></extra>",
    )


def _words(family: str) -> str:
    """A family of the UNet's walk, or the name of another walk."""
    return f"family {family}" if family in FAMILY_COLOUR else family


def _colour(family: str) -> str:
    return FAMILY_COLOUR.get(family, FAMILY_COLOUR["F"])


def _published(
    rows: Sequence[Row], field: str, unit: float, family: str, legend: bool
) -> list[go.Scatter]:
    """Where the published changes lead from our own earlier step, and published absolute values.

    A change that was published for another device than the rows' has a mark and a legend of its
    own; an absolute time of another device has no place here.
    """
    by_step = {row["step"]: row for row in rows}
    delta = f"{field.removesuffix('_ms')}_delta"
    found: dict[str, list[tuple[str, float, str]]] = {}  # device, "" for the rows' own
    for row in rows:
        published = row["published"] or {}
        if delta in published:
            figure, before = published[delta], by_step[row["against"]][field]
            value = before * (1 + figure["value"])
            text = f"published {100 * figure['value']:+.0f} % against {row['against']}"
        elif field in published and published[field].get("device") in (None, row["device"]):
            figure = published[field]
            value, text = figure["value"], f"published {figure['value'] / unit:,.0f}"
        else:
            continue
        device = figure.get("device") or ""
        on = f" on {device}" if device else ""
        text = f"{text}{on} ({figure['confidence']})"
        other = device if device != row["device"] else ""
        found.setdefault(other, []).append((row["step"], value / unit, text))
    return [_diamonds(points, family, device, legend) for device, points in found.items()]


def _diamonds(
    points: Sequence[tuple[str, float, str]], family: str, device: str, legend: bool
) -> go.Scatter:
    """Draw published figures; crossed ones are of another ``device`` than our estimates."""
    mark = {**MARK["published"], "color": _colour(family), "line": {"width": 2}}
    if device:
        mark["symbol"] = "diamond-cross-open"
    on = f" on {device}" if device else ""
    return go.Scatter(
        x=[step for step, _, _ in points],
        y=[value for _, value, _ in points],
        name=f"published change{on}, {_words(family)}",
        legendgroup=f"published {family}{device}",
        showlegend=legend or bool(device),
        mode="markers",
        marker=mark,
        customdata=[[text, f"{family}/{step}"] for step, _, text in points],
        hovertemplate="%{x}: %{y:,.1f}<br>%{customdata[0]}<extra></extra>",
    )


def _ticks(rows: Sequence[Row], field: str, unit: float) -> dict[str, Any]:
    """Round numbers on a logarithmic axis, as many as the data spans."""
    low = min(row[field] for row in rows) / unit
    high = max(row[field] for row in rows) / unit
    steps = [m * 10**e for e in range(-1, 6) for m in (1, 2, 3, 5)]
    values = [v for v in steps if low * 0.6 <= v <= high * 1.5]
    return {"tickvals": values, "ticktext": [f"{v:,.0f}" for v in values]}
