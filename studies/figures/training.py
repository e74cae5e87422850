"""The curve of a training run: losses and learning rate over its steps.

>>> figure = training_figure({"step": [1, 2], "loss": [0.5, 0.4], "validation_loss": [None, 0.45]})
>>> [trace.name for trace in figure.data]
['training loss', 'validation loss']
"""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from studies.figures.style import FEASIBLE_COLOUR, NAMED_COLOUR, TIE_COLOUR, styled

Columns = Mapping[str, Sequence[float | None]]
LINES = {
    "loss": ("training loss", FEASIBLE_COLOUR, "lines", "solid"),
    "validation_loss": ("validation loss", NAMED_COLOUR, "lines+markers", "solid"),
    "rate": ("learning rate", TIE_COLOUR, "lines", "dot"),
}


def training_figure(columns: Columns) -> go.Figure:
    """Return the losses over steps; the learning rate has an axis of its own at the right."""
    figure = go.Figure()
    steps = columns.get("step", ())
    for name, (title, colour, mode, dash) in LINES.items():
        points = [
            (s, v) for s, v in zip(steps, columns.get(name, ()), strict=False) if v is not None
        ]
        if points:
            figure.add_scatter(
                x=[step for step, _ in points],
                y=[value for _, value in points],
                mode=mode,
                name=title,
                line={"color": colour, "dash": dash, "width": 1.6},
                yaxis="y2" if name == "rate" else "y",
            )
    styled(figure, 440)
    figure.update_layout(
        xaxis={"title": "step"},
        yaxis={"title": "loss"},
        yaxis2={"title": "learning rate", "overlaying": "y", "side": "right", "showgrid": False},
        margin={"r": 80},
    )
    return figure
