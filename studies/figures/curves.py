"""Learning curves of designs: validation loss over training steps, with the noise of the samples.

>>> from proxies.score import Fidelity, Score
>>> run = Fidelity(steps=9, seconds=1.0, width=8, latent=24, batch=8, seed=0)
>>> score = Score.of_losses((0.4, 0.6), run, curve=((3, 0.2, 0.9), (6, 0.5, 0.7)), start=1.2)
>>> curve_points(score)
[(0, 1.2), (3, 0.9), (6, 0.7), (9, 0.5)]
>>> len(curves_figure({"mine": score}, "mine").data)  # the band, the line
2
"""

import math
from collections.abc import Mapping

import plotly.graph_objects as go

from proxies.score import Score
from studies.figures.style import FAMILY_COLOUR, styled

Z_95 = 1.96
OTHERS = "#b8bec5"


def curve_points(score: Score) -> list[tuple[int, float]]:
    """Return (step, loss) of a run's validations, its end included; finite ones only."""
    points = {0: score.start} if score.start is not None else {}
    points |= {step: loss for step, _, loss in score.curve}
    if score.ok:
        points[score.fidelity.steps] = score.value
    return [(step, loss) for step, loss in sorted(points.items()) if math.isfinite(loss)]


def curves_figure(scores: Mapping[str, Score], chosen: str) -> go.Figure:
    """Return the curves of ``scores`` by design; ``chosen`` stands out and has its noise band."""
    figure = go.Figure()
    for name, score in scores.items():
        if name != chosen:
            points = curve_points(score)
            figure.add_trace(_line(name, points, OTHERS, 1.5))
    points, noise = curve_points(scores[chosen]), Z_95 * scores[chosen].stderr
    if math.isfinite(noise):
        steps = [step for step, _ in points]
        upper, lower = [loss + noise for _, loss in points], [loss - noise for _, loss in points]
        figure.add_trace(
            go.Scatter(
                x=[*steps, *steps[::-1]],
                y=[*upper, *lower[::-1]],
                fill="toself",
                fillcolor="rgba(11, 110, 153, 0.15)",
                line={"width": 0},
                name="95 % over validation samples",
                hoverinfo="skip",
            )
        )
    figure.add_trace(_line(chosen, points, FAMILY_COLOUR["M"], 3))
    styled(figure, height=380)
    figure.update_layout(
        xaxis={"title": "training steps", "rangemode": "tozero"},
        yaxis={"title": "validation loss"},
        legend={"yanchor": "top", "y": -0.2},
        margin={"t": 20, "b": 90},
    )
    return figure


def _line(name: str, points: list[tuple[int, float]], colour: str, width: float) -> go.Scatter:
    return go.Scatter(
        x=[step for step, _ in points],
        y=[loss for _, loss in points],
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": width},
        marker={"size": 5},
        hovertemplate="%{x} steps: %{y:.4f}<extra>%{fullData.name}</extra>",
    )
