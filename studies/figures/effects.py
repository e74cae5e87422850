"""Effects of choices as a forest of intervals, and what the front chose beside what all chose.

>>> figure = effects_figure([Shown("conv", -0.12, -0.18, -0.06, "REAL")], "relative change of loss")
>>> [trace.name for trace in figure.data]
['REAL']
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from studies.figures.style import FAMILY_COLOUR, styled
from studies.verdict import NOISE, ONE_SEED, REAL

# Marks differ in shape as in colour.
MARKS = {
    REAL: {"symbol": "circle", "color": FAMILY_COLOUR["F"], "size": 10},
    ONE_SEED: {"symbol": "square-open", "color": FAMILY_COLOUR["M"], "size": 10},
    NOISE: {"symbol": "circle-open", "color": "#57606a", "size": 9},
}
FRONT, ALL = FAMILY_COLOUR["F"], "#b8bec5"


@dataclass(frozen=True)
class Shown:
    """An effect with its 95 % interval and the word of `studies.verdict`."""

    name: str
    value: float
    low: float
    high: float
    verdict: str


def effects_figure(effects: Sequence[Shown], title: str) -> go.Figure:
    """Return ``effects`` one below the other in their order; ``title`` is what they change."""
    figure = go.Figure()
    for word, mark in MARKS.items():
        own = [effect for effect in effects if effect.verdict == word]
        if not own:
            continue
        figure.add_trace(
            go.Scatter(
                x=[effect.value for effect in own],
                y=[effect.name for effect in own],
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [effect.high - effect.value for effect in own],
                    "arrayminus": [effect.value - effect.low for effect in own],
                    "thickness": 1.4,
                },
                mode="markers",
                name=word,
                marker=mark,
                hovertemplate="%{y}: %{x:+.4f}<extra>%{fullData.name}</extra>",
            )
        )
    figure.add_vline(0, line={"color": "#57606a", "width": 1, "dash": "dot"})
    styled(figure, height=130 + 26 * len(effects))
    figure.update_layout(
        xaxis={"title": title},
        yaxis={
            "categoryorder": "array",
            "categoryarray": [effect.name for effect in reversed(effects)],
            "automargin": True,
            "dtick": 1,
        },
        margin={"l": 20, "r": 16},
        showlegend=True,
    )
    return figure


def costs_figure(names: Sequence[str], costs: Mapping[str, Sequence[float | None]]) -> go.Figure:
    """Return the relative change of each cost by each change, in per cent."""
    figure = go.Figure()
    for colour, (what, values) in zip(
        ("#0b6e99", "#c8553d", "#6a8d3a"), costs.items(), strict=False
    ):
        figure.add_trace(
            go.Bar(
                y=list(names),
                x=[None if value is None else 100 * value for value in values],
                name=what,
                orientation="h",
                marker={"color": colour},
                hovertemplate=f"%{{y}}: %{{x:+.1f}} % {what}<extra></extra>",
            )
        )
    styled(figure, height=130 + (10 * len(costs) + 6) * len(names))
    figure.update_layout(
        barmode="group",
        xaxis={"title": "change, %"},
        yaxis={
            "categoryorder": "array",
            "categoryarray": list(names)[::-1],
            "automargin": True,
            "dtick": 1,
            "tickfont": {"size": 11},
        },
        margin={"l": 20, "r": 16},
    )
    return figure


def distributions_figure(
    shares: Mapping[str, Mapping[str, tuple[float, float]]], columns: int = 2
) -> go.Figure:
    """Return a panel for each choice: the share of each value on the front and among all.

    ``shares[choice][value]`` are two fractions.
    """
    rows = -(-len(shares) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[_plain(name) for name in shares],
        horizontal_spacing=0.08,
        vertical_spacing=min(0.25 / max(rows - 1, 1), 0.2),
    )
    for number, by_value in enumerate(shares.values()):
        for which, (words, colour) in enumerate((("on the front", FRONT), ("all", ALL))):
            figure.add_trace(
                go.Bar(
                    x=[_plain(value) for value in by_value],
                    y=[100 * pair[which] for pair in by_value.values()],
                    name=words,
                    legendgroup=words,
                    showlegend=number == 0,
                    marker={"color": colour},
                    hovertemplate=f"%{{x}}: %{{y:.0f}} % of {words}<extra></extra>",
                ),
                row=number // columns + 1,
                col=number % columns + 1,
            )
    styled(figure, height=120 + 190 * rows)
    figure.update_layout(barmode="group", margin={"t": 90}, legend={"y": 1.0, "yanchor": "bottom"})
    figure.update_xaxes(type="category", tickfont={"size": 11})
    figure.update_yaxes(rangemode="tozero", ticksuffix=" %", tickfont={"size": 11})
    figure.update_layout(legend={"y": 1 + 60 / (120 + 190 * rows)})
    return figure


def _plain(text: str) -> str:
    """Return ``text`` as plotly shows it: its titles read some HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
