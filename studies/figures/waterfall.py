"""What each step of the walk changes: in the paper's order as a waterfall, and over all orders.

>>> from studies.walk_order import StepShare
>>> shares = [StepShare("thin", "params", -1.9e9, -1.7e9, -2.0e9, -1.2e9)]
>>> figure = waterfall_figure(shares, 2.567e9)
>>> [trace.name for trace in figure.data], [round(v) for v in figure.data[0].y]
(['in order', 'over all orders (Shapley)'], [2567, -1900, 667])
"""

from collections.abc import Sequence

import plotly.graph_objects as go

from studies.figures.style import FAMILY_COLOUR, FRONT_COLOUR, styled
from studies.metrics import METRICS
from studies.walk_order import StepShare

LESS, MORE, TOTAL = FAMILY_COLOUR["M"], FAMILY_COLOUR["F"], "#57606a"


def waterfall_figure(shares: Sequence[StepShare], start: float) -> go.Figure:
    """Return the waterfall of one metric from ``start``, the first design's value.

    A diamond is a step's mean change over all orders, drawn from where the step begins; its bar
    reaches from the least to the most that the step changes after any set of others.
    """
    metric = METRICS.get(shares[0].metric)
    scale, steps = metric.scale, [share.step for share in shares]
    begins, level = [], start
    for share in shares:
        begins.append(level)
        level += share.in_order
    figure = go.Figure(
        go.Waterfall(
            x=["start", *steps, "end"],
            y=[start / scale, *(share.in_order / scale for share in shares), level / scale],
            measure=["absolute", *["relative"] * len(steps), "total"],
            name="in order",
            decreasing={"marker": {"color": LESS}},
            increasing={"marker": {"color": MORE}},
            totals={"marker": {"color": TOTAL}},
            connector={"line": {"color": "#b8bec5", "width": 1}},
        )
    )
    ends = [(at + share.mean) / scale for at, share in zip(begins, shares, strict=True)]
    figure.add_trace(
        go.Scatter(
            x=steps,
            y=ends,
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [(share.most - share.mean) / scale for share in shares],
                "arrayminus": [(share.mean - share.least) / scale for share in shares],
                "thickness": 1,
                "width": 4,
            },
            mode="markers",
            name="over all orders (Shapley)",
            marker={"symbol": "diamond", "size": 9, "color": FRONT_COLOUR},
        )
    )
    styled(figure, height=460)
    figure.update_layout(
        yaxis={"title": metric.axis_title, "rangemode": "tozero"},
        xaxis={"tickangle": -40, "automargin": True},
        margin={"t": 50},
    )
    return figure
