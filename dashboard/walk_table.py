"""The design walk as a table: our figures, their changes and the published ones side by side.

>>> from studies.walk import walk_rows
>>> "not published" in walk_table(walk_rows("M"), "mqa")
True
"""

from collections.abc import Sequence
from typing import Any

from dashboard.tables import table
from studies.analyses.design_walk import step_cells
from studies.formats import giga, millions, percent

_HEAD = ("step", "params", "Δ", "published", "MACs", "Δ", "published", "ms (80 %)", "Δ",
         "published", "published", "measured")  # fmt: skip
_CLASSES = ("k", "n", "n", "p", "n", "n", "p", "n", "n", "w", "w", "w")
_GROUPS = (
    ("", 1),
    ("Parameters, exact", 3),
    ("MACs, exact", 3),
    ("Latency, estimated", 3),
    ("FID", 1),
    ("Proxy\N{NO-BREAK SPACE}loss,\N{NO-BREAK SPACE}Δ", 1),
)


def walk_table(rows: Sequence[dict[str, Any]], step: str | None = None) -> str:
    """Return the HTML table of one family's ``rows``, with ``step`` highlighted."""
    steps = [row["step"] for row in rows]
    marked = steps.index(step) if step in steps else None
    lines = [
        # two lines of a verdict, not three
        [cell.replace("INSIDE NOISE", "INSIDE\N{NO-BREAK SPACE}NOISE") for cell in step_cells(row)]
        for row in rows
    ]
    return table(_HEAD, lines, classes=_CLASSES, marked=marked, groups=_GROUPS)


def published_lines(row: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return (what, figure, confidence, source) for all that is published of one step."""
    names = {
        "params": "params",
        "macs": "MACs",
        "latency_ms": "latency",
        "params_delta": "params, change",
        "macs_delta": "MACs, change",
        "latency_delta": "latency, change",
        "fid": "FID, ImageNet 256",
        "note": "remark",
    }
    lines = []
    for key, figure in (row["published"] or {}).items():
        value = figure["value"]
        if key.endswith("_delta"):
            text = f"{percent(value)} against {row['against']}"
        elif key == "params":
            text = millions(value)
        elif key == "macs":
            text = giga(value)
        elif key == "latency_ms":
            text = f"{value} ms"
        else:
            text = str(value)
        if "device" in figure:
            text += f", {figure['device']}"
        lines.append((names[key], text, figure["confidence"], figure["source"]))
    return lines
