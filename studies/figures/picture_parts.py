"""Where the time of pictures goes: text encoders, UNet, decoder and overhead, as bars.

>>> bars = picture_parts_figure([("a", {"UNet, all steps": 1.0, "Decoder": 0.1})])
>>> [(bar.name, list(bar.x)) for bar in bars.data]
[('UNet, all steps', [1.0]), ('Decoder', [0.1])]
"""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from studies.figures.importance import COLOURS
from studies.figures.style import styled


def picture_parts_figure(pictures: Sequence[tuple[str, Mapping[str, float]]]) -> go.Figure:
    """Return bars of seconds: one bar per picture, the first at the top, one colour per part."""
    figure = go.Figure()
    parts = list(dict.fromkeys(part for _, found in pictures for part in found))
    labels = [label for label, _ in pictures][::-1]
    for colour, part in zip(COLOURS, parts, strict=False):
        figure.add_trace(
            go.Bar(
                y=labels,
                x=[found.get(part, 0.0) for _, found in pictures][::-1],
                name=part,
                orientation="h",
                marker={"color": colour},
                hovertemplate=f"%{{y}}, {part}: %{{x:.2f}} s<extra></extra>",
            )
        )
    styled(figure, height=150 + 30 * len(labels))
    figure.update_layout(
        barmode="stack",
        xaxis={"title": "seconds a picture (80 % intervals in the table)", "rangemode": "tozero"},
        margin={"l": 130},
        legend={"traceorder": "normal"},
    )
    return figure
