"""Where a network's time, parameters and MACs are: bars by step and by part, in forward order.

>>> from latency_db.by_step import step_latencies
>>> from latency_db.sources import source_of
>>> from search_space.presets import named_spec
>>> steps = step_latencies(source_of("A17 Pro"), named_spec("F/mqa"))
>>> [trace.name for trace in steps_figure(steps).data]
['estimated']
"""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from latency_db.by_step import StepLatency
from studies.figures.style import FAMILY_COLOUR, styled

# A measured bar is full, an estimated one hatched and outlined, so that no colour is needed.
BARS = {
    "measured": {"color": FAMILY_COLOUR["M"]},
    "estimated": {
        "color": "rgba(11, 110, 153, 0.25)",
        "line": {"color": FAMILY_COLOUR["M"], "width": 1},
        "pattern": {"shape": "/", "fgcolor": FAMILY_COLOUR["M"], "size": 6, "solidity": 0.15},
    },
    "mixed": {
        "color": "rgba(11, 110, 153, 0.55)",
        "line": {"color": FAMILY_COLOUR["M"], "width": 1},
    },
}
WORDS = {"measured": "measured", "estimated": "estimated", "mixed": "partly measured"}
COLOURS = ("#0b6e99", "#c8553d", "#6a8d3a")


def steps_figure(steps: Sequence[StepLatency]) -> go.Figure:
    """Return a bar for each step with its 80 % interval, told apart by where it comes from."""
    figure = go.Figure()
    for source, marker in BARS.items():
        own = [step for step in steps if step.latency.source == source]
        if not own:
            continue
        figure.add_trace(
            go.Bar(
                y=[step.path for step in own],
                x=[step.latency.ms for step in own],
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [step.latency.high - step.latency.ms for step in own],
                    "arrayminus": [step.latency.ms - step.latency.low for step in own],
                    "thickness": 1,
                    "width": 2,
                },
                name=WORDS[source],
                orientation="h",
                marker=marker,
                customdata=[step.block.key for step in own],
                hovertemplate="%{y}: %{x:.2f} ms<br>%{customdata}<extra></extra>",
            )
        )
    styled(figure, height=130 + 17 * len(steps))
    figure.update_layout(
        xaxis={"title": "ms", "rangemode": "tozero"},
        yaxis={
            "categoryorder": "array",
            "categoryarray": [step.path for step in reversed(steps)],
            "tickfont": {"size": 11},
            "automargin": True,
            "dtick": 1,
        },
        margin={"l": 20, "r": 16},
        bargap=0.25,
        showlegend=True,
    )
    return figure


def parts_figure(shares: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """Return each part's share in params, MACs and so on: ``shares[what][part]``, fractions."""
    figure = go.Figure()
    for colour, (what, by_part) in zip(COLOURS, shares.items(), strict=False):
        figure.add_trace(
            go.Bar(
                y=list(by_part),
                x=[100 * share for share in by_part.values()],
                name=what,
                orientation="h",
                marker={"color": colour},
                hovertemplate=f"%{{y}}: %{{x:.1f}} % of {what}<extra></extra>",
            )
        )
    parts = list(next(iter(shares.values())))
    styled(figure, height=130 + (14 * len(shares) + 8) * len(parts))
    figure.update_layout(
        barmode="group",
        xaxis={"title": "share, %", "rangemode": "tozero"},
        yaxis={"categoryorder": "array", "categoryarray": parts[::-1], "automargin": True},
        margin={"l": 20, "r": 16},
    )
    return figure
