"""The published rows as data: 560 latencies, each with its source, device and unit.

Columns are kept as collected; `README.md` beside this file explains each. Reading checks every row,
because a latency without a source, a device or a unit is a rumour.

>>> rows = published_rows(chip="A18 Pro")
>>> [(row.model, row.latency_ms) for row in rows][:1]
[('SnapGen UNet', 274.0)]
"""

import csv
import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from search_space.errors import WalkbenchError, raise_unknown

TABLE = "iphone_published_latency.csv"
COLUMNS = (
    *("model", "family", "source_paper_or_repo", "source_url", "device", "chip", "os"),
    *("compute_units", "precision", "input_resolution", "batch", "params_M", "macs_G"),
    *("flops_convention", "latency_ms", "notes", "task", "timm_or_torchvision_name"),
    *("statistic", "rounding_ms", "source_id", "provenance", "suggested_use"),
)
REQUIRED = ("model", "family", "source_paper_or_repo", "source_url", "source_id", "device", "chip")
USES = (
    *("calib", "calib-A13", "holdout", "validate-unet", "operator-delta", "compression-delta"),
    *("bandwidth-anchor", "context", "exclude"),
)


@dataclass(frozen=True)
class PublishedRow:
    """One published latency. ``index`` is its place in the file, counted from 0."""

    index: int
    model: str
    family: str
    source: str
    source_url: str
    source_id: str
    device: str
    chip: str
    os: str
    compute_units: str
    precision: str
    input_resolution: str
    batch: int
    params_m: float | None
    macs_g: float | None
    latency_ms: float
    rounding_ms: float
    statistic: str
    task: str
    timm_or_torchvision_name: str
    suggested_use: str
    notes: str


def published_rows(chip: str | None = None) -> tuple[PublishedRow, ...]:
    """Return the shipped rows, of one chip or of all.

    Raises :class:`WalkbenchError` naming the nearest chip that has rows.
    """
    rows = _shipped()
    if chip is None:
        return rows
    chips = {row.chip for row in rows}
    if chip not in chips:
        raise_unknown("chip with published rows", chip, chips)
    return tuple(row for row in rows if row.chip == chip)


@lru_cache(maxsize=1)
def _shipped() -> tuple[PublishedRow, ...]:
    return read_rows(Path(str(files("latency_db.published") / TABLE)))


def read_rows(path: Path) -> tuple[PublishedRow, ...]:
    """Read and check a file of published rows.

    Raises :class:`WalkbenchError` naming the line and column of the first row that lacks a source,
    a device or a unit (the ``latency_ms`` column), or whose values cannot be.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise WalkbenchError(
                    f"{path.name} lacks the column {missing[0]!r}; it needs {', '.join(COLUMNS)}"
                )
            return tuple(_row(i, values, path.name) for i, values in enumerate(reader))
    except OSError as error:
        raise WalkbenchError(f"cannot read {path}: {error.strerror}") from None


def _row(index: int, values: dict[str, Any], name: str) -> PublishedRow:
    where = f"{name} line {index + 2}"
    if None in values or None in values.values():
        raise WalkbenchError(f"{where} does not have {len(COLUMNS)} columns")
    for column in REQUIRED:
        if not values[column].strip():
            raise WalkbenchError(f"{where}: {column} is empty; a row needs its source and device")
    if not values["source_url"].startswith("https://"):
        raise WalkbenchError(
            f"{where}: source_url is {values['source_url']!r}; it must start with https://"
        )
    if values["suggested_use"] not in USES:
        raise WalkbenchError(
            f"{where}: suggested_use is {values['suggested_use']!r}, not one of {', '.join(USES)}"
        )
    return PublishedRow(
        index,
        values["model"],
        values["family"],
        values["source_paper_or_repo"],
        values["source_url"],
        values["source_id"],
        values["device"],
        values["chip"],
        values["os"],
        values["compute_units"],
        values["precision"],
        values["input_resolution"],
        int(_number(values, "batch", where)),
        _number(values, "params_M", where) if values["params_M"] else None,
        _number(values, "macs_G", where) if values["macs_G"] else None,
        _number(values, "latency_ms", where),
        _number(values, "rounding_ms", where),
        values["statistic"],
        values["task"],
        values["timm_or_torchvision_name"],
        values["suggested_use"],
        values["notes"],
    )


def _number(values: dict[str, Any], column: str, where: str) -> float:
    try:
        number = float(values[column])
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise WalkbenchError(
            f"{where}: {column} is {values[column]!r}; a positive number is needed"
        )
    return number
