"""The table of a study's designs, as `walkbench study` and `walkbench demo` print it."""

from collections.abc import Callable, Container, Sequence
from typing import Any

from studies.cli.output import Column

# What the table's signs mean, each said only where the table has it.
LEGEND = "● on the Pareto front, ★ a named design. Params and MACs are exact."
LOSS = (
    "Proxy loss: validation of a short training run of a small twin, ± standard error over samples;"
    "\nit ranks designs roughly and is no image quality."
)
LATENCY = "Latency: {device}, ○ estimated, ■ measured, ◧ both; 80 % interval in brackets."
_SIGNS = {"estimated": "○", "measured": "■", "mixed": "◧"}
_STATES = {"PRUNED": "over budget, not trained", "COMPLETE": ""}


def columns(rows: Sequence[dict[str, Any]]) -> list[Column]:
    """Return the columns that ``rows`` fill; a narrow terminal folds loss and latency."""
    chosen = [Column("design", "design"), Column("trial", "trial", right=True)]
    if any(row["score"] for row in rows):
        chosen.append(Column("score", "proxy loss", _loss))
    if any(row["latency"] for row in rows):
        chosen.append(Column("latency", "latency ms", latency_text))
    chosen += [
        Column("params", "params", _whole(1e6, "M"), right=True),
        Column("macs", "MACs", _whole(1e9, "G"), right=True, under="params"),
    ]
    if any(row["feasible"] is not True for row in rows):
        words = {True: "yes", False: "no", None: "–"}
        chosen.append(Column("feasible", "in budget", words.__getitem__))
    if any(row["state"] != "COMPLETE" for row in rows):
        chosen.append(Column("remark", "remark", lambda text: text or "", under="design"))
    return chosen


def table_rows(rows: Sequence[dict[str, Any]], named: Container[str]) -> list[dict[str, Any]]:
    """Return ``rows`` with the signs of the front and of ``named`` designs, and how each ended."""
    return [
        {
            **row,
            "design": f"{'●' if row['on_front'] else ' '} "
            f"{'★' if row['design'] in named else ' '} {row['design'] or '–'}",
            "remark": row["failed"] or _STATES.get(row["state"], row["state"].lower()),
        }
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


def _whole(unit: float, letter: str) -> Callable[[Any], str]:
    """Return a writer of sizes without decimals: 80 columns must do."""
    return lambda value: "–" if value is None else f"{value / unit:,.0f} {letter}"


def _loss(score: dict[str, Any] | None) -> str:
    if score is None or score["value"] is None:
        return "–"
    return f"{score['value']:.4f} ± {score['stderr']:.4f}"
