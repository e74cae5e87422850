"""The plots of a validation study: short against long, agreement by length, baselines, the walk.

>>> figure = walk_figure({"changes": [
...     {"after": "M/thin", "relative": -0.02, "low": -0.03, "high": -0.01, "verdict": "REAL"},
... ], "seeds": 3, "steps": 300})
>>> [trace.name for trace in figure.data]
['REAL']
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from studies.figures.page import html_table, write_page
from studies.figures.style import (
    FEASIBLE_COLOUR,
    FRONT_COLOUR,
    INFEASIBLE_COLOUR,
    NAMED_COLOUR,
    styled,
)
from studies.proxy_validation.lines import lines
from studies.verdict import NOISE, REAL

BANDS = ("#0b6e99", "#3a9a7b", "#c9a227", "#c8553d", "#7d4f9a", "#57606a")
VERDICT_COLOUR = {REAL: FEASIBLE_COLOUR, NOISE: INFEASIBLE_COLOUR}


def write_validation(found: Mapping[str, Any], path: Path) -> None:
    """Write the report of a study (`studies.proxy_validation.report.report`) as one HTML page."""
    summary = found["summary"]
    parts: list[go.Figure | str] = [
        f"<p>{summary['n_designs']} designs of the space {summary['space']}, "
        f"{summary['seeds']} seed{'s' * (summary['seeds'] > 1)} each; short runs of "
        f"{_kind(summary, 'short')}, long runs of {_kind(summary, 'long')}. All losses here are "
        f"measured, on twins of width {summary['width']}.</p>",
        html_table(("figure", "value"), lines(summary)),
        scatter_figure(found["rows"]),
    ]
    parts.append(steps_figure(summary))
    if summary["baselines"]:
        parts.append(baselines_figure(summary))
    if found["walk"]:
        parts.append(walk_figure(found["walk"]))
        parts.append("<h3>Seeds that would show a difference of 1 %</h3>")
        parts.append(
            html_table(("steps", "spread of a difference", "seeds"), _needed(found["walk"]))
        )
    write_page(path, "Does short training rank designs?", parts)


def _kind(summary: Mapping[str, Any], kind: str) -> str:
    """Say how long runs of a kind are, on what."""
    prefix = "short_" if kind == "short" else ""
    steps, batch = summary[f"{kind}_steps"], summary[f"{prefix}batch"]
    return f"{steps} steps of {batch} pictures, {summary[f'{prefix}latent']} wide"


def scatter_figure(rows: list[Mapping[str, Any]]) -> go.Figure:
    """Return loss of short runs against loss of long ones; bars span the seeds."""
    figure, usable = go.Figure(), [r for r in rows if None not in (r["short"], r["long"])]
    for band in sorted({row["stratum"] for row in usable}):
        own = [row for row in usable if row["stratum"] == band]
        figure.add_trace(
            go.Scatter(
                x=[row["short"] for row in own],
                y=[row["long"] for row in own],
                error_x=_span(own, "short"),
                error_y=_span(own, "long"),
                mode="markers",
                name=f"latency band {band + 1}",
                marker={"color": BANDS[band % len(BANDS)], "size": 10},
                customdata=[[row["design"], row["latency_ms"]] for row in own],
                hovertemplate="%{customdata[0]}: %{x:.4f} → %{y:.4f}, estimated "
                "%{customdata[1]:.0f} ms<extra></extra>",
            )
        )
    figure.update_layout(
        title={"text": "Loss after short training and after long; bars span the seeds"},
        xaxis_title="validation loss, short runs",
        yaxis_title="validation loss, long runs",
    )
    return _styled(figure, 560)


def steps_figure(summary: Mapping[str, Any]) -> go.Figure:
    """Return the agreement with the end of other seeds, by training steps."""
    points = summary["by_steps"]
    lines = [("spearman_same_run", "as the same runs do", NAMED_COLOUR)]
    if summary["noise_ceiling"] is not None:  # two seeds or more
        lines.insert(0, ("spearman", "as other seeds do", FRONT_COLOUR))
    figure = go.Figure()
    for key, name, colour in lines:
        figure.add_scatter(
            x=[point["steps"] for point in points],
            y=[point[key] for point in points],
            mode="lines+markers",
            line={"color": colour},
            name=name,
        )
    if summary["noise_ceiling"] is not None:
        figure.add_hline(
            y=summary["noise_ceiling"], line_dash="dot", annotation_text="noise ceiling"
        )
    figure.update_layout(
        title={"text": "How soon long runs rank as they do at the end"},
        xaxis_title="training steps",
        yaxis_title="Spearman",
        yaxis_range=[min(0.0, *(p[key] or 0.0 for p in points for key, *_ in lines)), 1.02],
    )
    return _styled(figure, 400)


def baselines_figure(summary: Mapping[str, Any]) -> go.Figure:
    """Return Spearman with the long run: short training and what costs no training."""
    values = {**summary["baselines"], "short training": summary["spearman"]}
    ranked = sorted(
        ((name, value) for name, value in values.items() if value is not None),
        key=lambda pair: pair[1],
    )
    figure = go.Figure(
        go.Bar(
            x=[value for _, value in ranked],
            y=[name for name, _ in ranked],
            orientation="h",
            marker_color=[
                NAMED_COLOUR if name == "short training" else INFEASIBLE_COLOUR
                for name, _ in ranked
            ],
        )
    )
    figure.update_layout(title={"text": "Spearman with the long runs"}, xaxis_range=[-1, 1])
    return _styled(figure, 420)


def walk_figure(walk: Mapping[str, Any]) -> go.Figure:
    """Return the change in loss at every step of the walk with its interval and verdict."""
    figure = go.Figure()
    for verdict, colour in VERDICT_COLOUR.items():
        own = [gap for gap in walk["changes"] if gap["verdict"] == verdict]
        if own:
            figure.add_trace(
                go.Scatter(
                    x=[gap["after"] for gap in own],
                    y=[100 * gap["relative"] for gap in own],
                    error_y={
                        "type": "data",
                        "symmetric": False,
                        "array": [100 * (gap["high"] - gap["relative"]) for gap in own],
                        "arrayminus": [100 * (gap["relative"] - gap["low"]) for gap in own],
                    },
                    mode="markers",
                    marker={"color": colour, "size": 11},
                    name=verdict,
                )
            )
    figure.add_hline(y=0, line_color=FRONT_COLOUR, line_width=1)
    figure.update_xaxes(
        categoryorder="array", categoryarray=[gap["after"] for gap in walk["changes"]]
    )
    figure.update_layout(
        title={
            "text": f"Change in loss at each step of the walk, {walk['seeds']} seeds, "
            f"{walk['steps']} steps (95 % interval)"
        },
        yaxis_title="% of the loss before the step",
    )
    return _styled(figure, 460)


def _needed(walk: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (f"{at['steps']:,}", f"{at['deviation']:.1%}", f"{at['seeds']:,}")
        for at in walk["one_percent"]
        if at["seeds"] is not None
    ]


def _styled(figure: go.Figure, height: int) -> go.Figure:
    """Apply the common look, with room for a title above the legend."""
    styled(figure, height)
    figure.update_layout(
        margin={"t": 100}, title={"yref": "container", "y": 0.95, "yanchor": "top"}
    )
    return figure


def _span(rows: list[Mapping[str, Any]], name: str) -> dict[str, Any]:
    seeds = [[v for v in row[f"{name}_by_seed"] if v is not None] for row in rows]
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(v) - row[name] for v, row in zip(seeds, rows, strict=True)],
        "arrayminus": [row[name] - min(v) for v, row in zip(seeds, rows, strict=True)],
        "thickness": 1,
        "width": 3,
    }
