"""A study of any size as a cloud over two or three metrics, with what each design is.

Shape and colour both tell the roles apart: the front, ties within noise, dominated, over budget,
named designs, and at the edge what has no value yet or never will. Marks are filled where places
are exact or measured, hollow where one is estimated. The cloud behind the front is thinned
(`studies.figures.thinning`), the front never is.

>>> from studies.records import TrialRecord
>>> trials = [
...     TrialRecord(t, "COMPLETE", feasible=True, values={"macs": macs, "params": params})
...     for t, macs, params in [(0, 3e11, 4e8), (1, 2e11, 6e8), (2, 4e11, 5e8)]
... ]
>>> table = StudyTable.of_records(trials, ("macs", "params"))
>>> figure = cloud_figure(table, Cloud("params", "macs", ("macs", "params")))
>>> [trace.name for trace in figure.data]
['dominated', 'front', 'on the front']
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from studies.figures.cloud_frame import add_edge, frame, frame_3d
from studies.figures.cloud_labels import add_labels
from studies.figures.cloud_roles import (
    ROLES,
    SPECIAL,
    Cloud,
    Rows,
    design_words,
    place,
    roles,
    within,
)
from studies.figures.style import FRONT_COLOUR, translucent
from studies.figures.thinning import thinned
from studies.metrics import METRICS
from studies.study_table import Bools, StudyTable

__all__ = ["Cloud", "cloud_figure", "roles", "within"]

DRAWN = 6_000  # points of the cloud that are drawn
FLAT = 1_500  # more points than this are drawn by the graphics card


def cloud_figure(
    table: StudyTable, cloud: Cloud, found: Mapping[str, Rows] | None = None
) -> go.Figure:
    """Return the figure of ``cloud``. A point's ``customdata`` starts with its trial's number.

    ``found`` are its :func:`roles`, if they are known.
    """
    figure = go.Figure()
    found = roles(table, cloud) if found is None else found
    for role, rows in found.items():
        many = len(rows) > FLAT
        if role not in SPECIAL and many:
            rows = rows[thinned(table.value(cloud.x)[rows], table.value(cloud.y)[rows], DRAWN)]
        if role == "on the front":
            _add_stairs(figure, table, cloud)
        if len(rows):
            figure.add_trace(_points(table, cloud, role, rows))
    if cloud.z is not None:
        return frame_3d(figure, cloud)
    add_edge(figure, table, cloud)
    _add_rings(figure, table, cloud)
    frame(figure, table, cloud, np.concatenate(list(found.values())))
    named = np.concatenate([found["named"], found["named, on a lower rung"]])
    add_labels(figure, table, cloud.x, cloud.y, named)
    return figure


def _points(table: StudyTable, cloud: Cloud, role: str, rows: Rows) -> Any:
    filled, hollow, size, paint = ROLES[role]
    special = role in SPECIAL
    estimated = _estimated(table, cloud, rows)
    symbols = np.where(estimated, hollow, filled)
    marker: dict[str, Any] = {
        "symbol": symbols[0] if len(set(symbols)) == 1 else symbols,
        "size": size,
        "color": paint,
        "opacity": 1.0 if special else 0.75,
        "line": {"width": 1.6, "color": paint} if special or role == "over budget" else {},
    }
    if cloud.colour is not None:
        marker |= {"color": cloud.colour.values[rows], "coloraxis": "coloraxis"}
        marker["line"] = {"width": 1.2}
    options: dict[str, Any] = {
        "x": place(table, cloud.x)[rows],
        "y": place(table, cloud.y)[rows],
        "name": role,
        "mode": "markers",
        "customdata": np.stack(
            [table.number[rows], design_words(table, rows), _rung(table, rows)], 1
        ),
        "hovertemplate": _hover(cloud, role),
    }
    if cloud.z is not None:
        symbol = "circle" if not special else "diamond"
        marker |= {"symbol": symbol, "size": 4 if not special else 6, "line": {}}
        return go.Scatter3d(**options, z=place(table, cloud.z)[rows], marker=marker)
    if cloud.bars == "all" or (cloud.bars == "few" and special):
        options |= {
            "error_x": _bars(table, cloud.x, rows, paint),
            "error_y": _bars(table, cloud.y, rows, paint),
        }
    kind = go.Scattergl if len(rows) > FLAT or role == "dominated" else go.Scatter
    return kind(**options, marker=marker, unselected={"marker": {"opacity": 0.35}})


def _rung(table: StudyTable, rows: Rows) -> Any:
    """Return the rung of each trial as words, empty in a study without rungs."""
    has_rungs = bool(table.rungs.any())
    return np.array([f", rung {r + 1}" if has_rungs else "" for r in table.rungs[rows].tolist()])


def _hover(cloud: Cloud, role: str) -> str:
    lines = ["<b>%{customdata[1]}</b>, trial %{customdata[0]}%{customdata[2]}"]
    for axis, name in zip("xyz", cloud.axes, strict=False):
        metric = METRICS.get(name)
        lines.append(f"{metric.phrase} %{{{axis}:,.{metric.digits}f}} {metric.unit}".rstrip())
    return "<br>".join([*lines, role]) + "<extra></extra>"


def _estimated(table: StudyTable, cloud: Cloud, rows: Rows) -> Bools:
    """Return which of the trials ``rows`` lie where they do by an estimate."""
    found = np.zeros(len(rows), dtype=bool)
    for name in cloud.axes:
        column = table.measured.get(name)
        if column is not None and METRICS.get(name).stage == "lookup":
            found |= np.isin(column.source[rows].astype(str), ("estimated", "mixed"))
    return found


def _bars(table: StudyTable, name: str, rows: Rows, paint: str) -> dict[str, Any] | None:
    ends, metric = table.interval(name), METRICS.get(name)
    if ends is None:
        return None
    value = table.value(name)[rows]
    low, high = (np.nan_to_num(np.abs(end[rows] - value)) / metric.scale for end in ends)
    colour = translucent(paint, 0.35)
    bar = {"type": "data", "symmetric": False, "array": high, "arrayminus": low}
    return {**bar, "color": colour, "thickness": 1.2, "width": 3}


def _add_stairs(figure: go.Figure, table: StudyTable, cloud: Cloud) -> None:
    """Draw the front of the two axes; all above and to the right of it is beaten by a design."""
    if cloud.z is not None:
        return
    two = (cloud.x, cloud.y)
    rows = np.flatnonzero(table.front(two, among=within(table, cloud.limits)))
    if not len(rows):
        return
    x, y = (place(table, name)[rows] for name in two)
    order = np.lexsort((y, x))
    same = set(cloud.objectives) == set(two)
    figure.add_trace(
        go.Scatter(
            x=x[order],
            y=y[order],
            name="front" if same else "front of these two axes",
            mode="lines",
            line={"color": FRONT_COLOUR, "width": 1.5, "shape": _shape(cloud)},
            hoverinfo="skip",
        )
    )


def _shape(cloud: Cloud) -> str:
    """Return how stairs run: a maximised metric turns them round."""
    minimised = METRICS.get(cloud.x).goal == "minimise"
    return "hv" if minimised else "vh"


def _add_rings(figure: go.Figure, table: StudyTable, cloud: Cloud) -> None:
    """Ring the selected trials."""
    rows = [n for n in cloud.selected if 0 <= n < len(table)]
    if rows:
        figure.add_trace(
            go.Scatter(
                x=place(table, cloud.x)[rows],
                y=place(table, cloud.y)[rows],
                mode="markers",
                name="chosen",
                marker={
                    "symbol": "circle-open",
                    "size": 24,
                    "color": FRONT_COLOUR,
                    "line": {"width": 2},
                },
                showlegend=False,
                hoverinfo="skip",
            )
        )
