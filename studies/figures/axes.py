"""What a figure of a study can put on an axis: titles, units, values and their uncertainty.

A value is read from a row of :func:`studies.store.rows`. What is uncertain comes with its interval:
latency with the 80 % interval of its source, the proxy loss with its standard error.

>>> row = {"values": {}, "cost": {"params": 372e6}, "latency": None, "score": None}
>>> AXES["params"].value(row), AXES["params"].write(row)
(372.0, '372.00 M')
>>> AXES["latency_ms"].value(row) is None
True
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from studies import pareto

Row = Mapping[str, Any]
Kind = Literal["exact", "loss", "latency"]

SIGNS = {"estimated": "○", "measured": "■", "mixed": "◧"}


@dataclass(frozen=True)
class Axis:
    """One quantity of a design: ``unit`` is what a printed one is, ``digits`` its decimals."""

    key: str
    name: str
    suffix: str
    unit: float
    digits: int
    kind: Kind = "exact"

    @property
    def title(self) -> str:
        """The title of an axis, saying what sort of number it shows."""
        sort = {"exact": "exact", "loss": "± standard error", "latency": "80 % interval"}
        unit = {"M": "millions", "G": "billions"}.get(self.suffix, self.suffix)
        return f"{self.name} ({', '.join(filter(None, (unit, sort[self.kind])))})"

    def value(self, row: Row) -> float | None:
        """Return the row's value in the printed unit, None where it has none."""
        value = pareto.metric(row, self.key)
        return None if value is None else value / self.unit

    def interval(self, row: Row) -> tuple[float, float] | None:
        """Return (low, high) in the printed unit, None where the value is exact or absent."""
        value = self.value(row)
        if value is None:
            return None
        if self.kind == "latency" and row.get("latency"):
            return row["latency"]["low"] / self.unit, row["latency"]["high"] / self.unit
        if self.kind == "loss" and row.get("score"):
            stderr = row["score"]["stderr"]
            return (value - stderr, value + stderr) if stderr is not None else None
        return None

    def write(self, row: Row) -> str:
        """Write the row's value with its unit and all that is uncertain about it."""
        value, interval = self.value(row), self.interval(row)
        if value is None:
            return "–"
        text = f"{value:,.{self.digits}f}"
        if self.kind == "loss":
            error = row["score"]["stderr"] if interval and row.get("score") else None
            return text if error is None else f"{text} ± {error:.{self.digits}f}"
        if self.kind == "latency":
            source = (row.get("latency") or {}).get("source")
            sign = f"{SIGNS[source]} " if source else ""
            spread = f" ({interval[0]:,.0f}–{interval[1]:,.0f})" if interval else ""
            return f"{sign}{text}{spread} {self.suffix}"
        return f"{text} {self.suffix}"


AXES: dict[str, Axis] = {
    axis.key: axis
    for axis in (
        Axis("proxy_loss", "Proxy loss", "", 1, 4, "loss"),
        Axis("latency_ms", "Latency", "ms", 1, 0, "latency"),
        Axis("params", "Parameters", "M", 1e6, 2),
        Axis("macs", "MACs", "G", 1e9, 1),
        Axis("weight_bytes", "Weights, fp16", "MB", 1e6, 1),
        Axis("activation_bytes", "Activation traffic", "GB", 1e9, 2),
        Axis("peak_activation_bytes", "Peak activation", "MB", 1e6, 1),
    )
}


def usable_axes(rows: Iterable[Row]) -> list[Axis]:
    """Return the axes that some row has a value for."""
    found = list(rows)
    return [axis for axis in AXES.values() if any(axis.value(row) is not None for row in found)]


def number_sort(row: Row, axes: Iterable[Axis]) -> str:
    """Return the key of `studies.figures.style.MARK` that says how sure a point's place is."""
    latency = row.get("latency")
    if latency and any(axis.kind == "latency" for axis in axes):
        return str(latency["source"])
    return "exact"
