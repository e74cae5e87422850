"""A step of the design walk as text: published figures with their confidence word.

>>> from studies.walk import walk_rows
>>> row = next(row for row in walk_rows("M") if row["step"] == "ffn-3")
>>> flat_row(row)["params_published"], flat_row(row)["latency_published"]
('−12 % stated', 'not published')
"""

from collections.abc import Mapping
from typing import Any

from studies.formats import percent


def flat_row(row: dict[str, Any]) -> dict[str, Any]:
    """One table row: published figures become text with their confidence word."""
    published = row["published"] or {}
    flat = dict(row)
    for field in ("params", "macs", "latency"):
        flat[f"{field}_published"] = _published(published, field, row["device"])
    flat["fid_published"] = _plain(published.get("fid"), "g") or _note(published)
    flat["latency"] = _interval(row)
    flat["proxy_loss"] = _measured(row["proxy_loss"])
    return flat


def decoder_row(row: dict[str, Any]) -> dict[str, Any]:
    """One table row of the decoder's walk."""
    published = row["published"] or {}
    flat = {**row, "latency": _interval(row), "memory": row["peak_activation_bytes"] / 2**20}
    for field in ("params", "latency"):
        ratio = published.get(f"{field}_ratio")
        times = f", {ratio['value']}× {ratio['confidence']}" if ratio else ""
        flat[f"{field}_published"] = _published(published, field, row["device"]) + times
    return flat


def _interval(row: dict[str, Any]) -> str:
    low, high = row["latency_low_ms"], row["latency_high_ms"]
    return f"{row['latency_ms']:,.0f} ({low:,.0f}–{high:,.0f})"


def _measured(found: dict[str, Any] | None) -> str:
    return f"{percent(found['relative'])} {found['verdict']}" if found else "–"


def elsewhere(row: Mapping[str, Any]) -> str:
    """Return the device of a published latency where it is not the row's own; else empty."""
    figures = row["published"] or {}
    figure = figures.get("latency_delta") or figures.get("latency_ms") or {}
    device = figure.get("device")
    return str(device) if device and device != row["device"] else ""


def _published(published: dict[str, Any], field: str, device: str | None) -> str:
    """Write a published figure; a change on another device than ``device`` carries its name."""
    if f"{field}_delta" in published:
        figure = published[f"{field}_delta"]
        value = f"{100 * figure['value']:+.0f} %".replace("-", "−")
        other = figure.get("device")
        on = f", {other}" if other and other != device else ""
        return f"{value} {figure['confidence']}{on}"
    if field in published:
        figure = published[field]
        unit, letter = (1e9, "G") if field == "macs" else (1e6, "M")
        digits = 2 if figure["value"] < 10 * unit else 0
        return f"{figure['value'] / unit:,.{digits}f} {letter} {figure['confidence']}"
    if f"{field}_ms" in published:
        figure = published[f"{field}_ms"]
        return f"{figure['value']:,} ms {figure['confidence']}, {figure['device']}"
    return "not published"


def _plain(figure: dict[str, Any] | None, form: str) -> str:
    return f"{figure['value']:{form}} {figure['confidence']}" if figure else ""


def _note(published: dict[str, Any]) -> str:
    note = published.get("note", {}).get("value", "")
    return note if note.startswith("FID") else "not published"
