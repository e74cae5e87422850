"""What short training says of a study's designs: curves, and the noise that they drown in."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from studies.analyses.card import Card
from studies.figures.cloud_colour import PALETTE
from studies.figures.style import FRONT_COLOUR, styled
from studies.reading import StudyData
from studies.records import TrialRecord

DRAWN = 500  # losses with their bars
CURVES = len(PALETTE)  # designs that are told apart


def noise_floor(study: StudyData) -> list[Card]:
    """Return the card of all losses beside their standard errors; none without training."""
    column = study.table.measured.get("proxy_loss")
    if column is None:
        return []
    value, error = column.value, column.high - column.value
    has = ~np.isnan(value) & ~np.isnan(error)
    if has.sum() < 2:
        return []
    value, error = value[has], error[has]
    median = float(np.median(error))
    order, place = np.argsort(value), np.arange(len(value))
    if len(order) > DRAWN:
        place = np.linspace(0, len(order) - 1, DRAWN).astype(int)
    gaps = np.abs(value[:, None] - value[None, :]) if len(value) <= 2_000 else None
    words = f"The median standard error is {median:.4f}."
    if gaps is not None:
        noise = np.sqrt(error[:, None] ** 2 + error[None, :] ** 2)
        above = np.triu(gaps > 1.96 * noise, 1).sum() / np.triu(np.ones_like(gaps), 1).sum()
        words += f" {above:.0%} of the pairs of designs differ by more than the noise (95 %)."
    figure = go.Figure(
        go.Scatter(
            x=place,
            y=value[order[place]],
            error_y={"type": "data", "array": error[order[place]], "thickness": 1, "width": 0},
            mode="markers",
            name="designs",
            marker={"color": PALETTE[0], "size": 5},
        )
    )
    styled(figure, 360)
    figure.update_layout(
        xaxis={"title": "designs in the order of their loss"},
        yaxis={"title": "proxy loss (± standard error)"},
    )
    note = "Errors are over samples, and independent here; paired differences are more exact."
    if len(order) > DRAWN:
        note += f" {DRAWN} of {len(order):,} designs are drawn, at even distances."
    return [Card("Noise floor", (words,), figure, notes=(note,))]


def learning_curves(trials: Sequence[TrialRecord]) -> list[Card]:
    """Return the card of the learning curves of a few ``trials``; none where none kept one."""
    kept = [trial for trial in trials if trial.score and trial.score.curve][:CURVES]
    if not kept:
        return []
    figure = go.Figure()
    for colour, trial in zip(PALETTE, kept, strict=False):
        assert trial.score is not None
        steps, _, losses = zip(*trial.score.curve, strict=True)
        error = trial.score.stderr
        figure.add_scatter(
            x=steps, y=losses, mode="lines+markers", name=f"{trial.label}, trial {trial.number}",
            line={"color": colour}, marker={"size": 5},
            error_y={"type": "data", "array": [0.0] * (len(steps) - 1) + [error], "width": 4},
        )  # fmt: skip
    figure.update_traces(marker_line_color=FRONT_COLOUR)
    styled(figure, 420)
    figure.update_layout(
        xaxis={"title": "training steps"}, yaxis={"title": "validation loss of the twin"}
    )
    return [Card("Learning curves", (), figure, notes=("The bar is the last loss's error.",))]
