"""The table of a study's designs, as `walkbench study` and `walkbench demo` print it."""

from collections.abc import Sequence
from typing import Any

from studies.cli.output import Column, giga, millions

# What the table's signs mean, each said only where the table has it.
LEGEND = "● on the Pareto front, ★ a named design. Params and MACs are exact."
LOSS = (
    "Proxy loss: validation of a short training run of a small twin, ± standard error over samples;"
    "\nit ranks designs roughly and is no image quality."
)
LATENCY = "Latency: {device}, ○ estimated, ■ measured, ◧ both; 80 % interval in brackets."
_SIGNS = {"estimated": "○", "measured": "■", "mixed": "◧"}
_STATES = {"PRUNED": "over budget, not trained", "COMPLETE": ""}


def columns(rows: Sequence[dict[str, Any]], named: Sequence[str]) -> list[Column]:
    """Return the columns that ``rows`` fill; ``named`` are the designs to mark with a star."""
    chosen = [
        Column("on_front", "", lambda yes: "●" if yes else ""),
        Column("trial", "trial", right=True),
        Column("design", "design", lambda name: f"★ {name}" if name in named else f"  {name}"),
    ]
    if any(row["score"] for row in rows):
        chosen.append(Column("score", "proxy loss", _loss, right=True))
    if any(row["latency"] for row in rows):
        chosen.append(Column("latency", "latency ms", latency_text, right=True))
    chosen += [
        Column("params", "params", millions, right=True),
        Column("macs", "MACs", giga, right=True),
        Column("feasible", "in budget", {True: "yes", False: "no", None: "–"}.__getitem__),
    ]
    if any(row["state"] != "COMPLETE" for row in rows):
        chosen.append(Column("remark", "remark", lambda text: text or ""))
    return chosen


def with_remarks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return ``rows`` with a word on how each trial ended."""
    return [
        {**row, "remark": row["failed"] or _STATES.get(row["state"], row["state"].lower())}
        for row in rows
    ]


def legend(rows: Sequence[dict[str, Any]]) -> str:
    """Return the lines that explain the table's signs."""
    lines = [LEGEND]
    if any(row["score"] for row in rows):
        lines.append(LOSS)
    devices = [row["latency"]["device"] for row in rows if row["latency"]]
    if devices:
        lines.append(LATENCY.format(device=devices[0]))
    return "\n".join(lines)


def latency_text(latency: dict[str, Any] | None) -> str:
    """Write a latency with its sign and its interval: ○ 274 (167–449)."""
    if latency is None:
        return "–"
    sign = _SIGNS[latency["source"]]
    return f"{sign} {latency['ms']:,.0f} ({latency['low']:,.0f}–{latency['high']:,.0f})"


def _loss(score: dict[str, Any] | None) -> str:
    if score is None or score["value"] is None:
        return "–"
    return f"{score['value']:.4f} ± {score['stderr']:.4f}"
