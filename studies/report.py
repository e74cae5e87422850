"""A study as one HTML page: fronts, progress, the table of designs, what it was run with.

The page needs no network. Its numbers are those of `walkbench study best --all`.

>>> import optuna
>>> study = optuna.create_study(study_name="empty")
>>> write_report(study, Path("report.html"))
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: study 'empty' has no finished trial yet; run it first
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from itertools import combinations
from pathlib import Path
from typing import Any

import optuna
import plotly.graph_objects as go

from proxies.score import Score, difference
from search_space.errors import WalkbenchError
from studies.figures.page import html_table, write_page
from studies.figures.pareto import pareto_figure, plotted, walk_steps
from studies.figures.progress import progress_figure
from studies.figures.style import FAMILY_COLOUR
from studies.store import objectives, rows
from studies.summary import shown_rows, study_status

Row = Mapping[str, Any]

_NOTE = """
<p class="note">Params and MACs are exact. Latency is {latency}, the bar its 80 % interval; hollow
points are estimates. The proxy loss is the validation loss of a short training run of a small twin,
the bar its standard error over validation samples: it ranks designs roughly and is no measure of
image quality. Stars are named designs; a dotted line joins steps of the SnapGen design walk.</p>
"""

_PAIRED = """
<p class="note">Differences are taken sample by sample on the same noise and times, so that what
both losses share cancels; ± is their standard error over samples. Another training seed moves a
loss by more than that.</p>
"""


def write_report(study: optuna.Study, path: Path) -> None:
    """Write the page to ``path``; raises :class:`WalkbenchError` when there is nothing to show."""
    found, names = rows(study), objectives(study)
    if not any(row["cost"] for row in found):
        raise WalkbenchError(f"study {study.study_name!r} has no finished trial yet; run it first")
    status = study_status(study)
    parts: list[go.Figure | str] = [_opening(status), *_figures(found, names)]
    parts += _walk_tables(found)
    parts += ["<h2>Progress</h2>", progress_figure(found, names)]
    parts += ["<h2>Every trial</h2>", _designs(found, names), *_provenance(status, found)]
    write_page(path, f"Study {study.study_name}", parts)


def _opening(status: Mapping[str, Any]) -> str:
    budgets = ", ".join(f"{name} ≤ {limit:,.6g}" for name, limit in status["budgets"].items())
    sentences = [
        f"{status['done']} of {status['trials']} trials are done: {status['complete']} complete, "
        f"{status['over_budget']} over budget and so not trained, {status['failed']} failed.",
        f"Minimised: {', '.join(status['objectives'])}.",
        f"Budgets: {budgets or 'none'}.",
        f"{status['front']} designs are on the Pareto front of the space {status['space']}.",
    ]
    if status["training_seconds"]:
        sentences.append(
            f"{status['trained']} designs were trained, {status['training_seconds']:,.0f} s in all."
        )
    note = _NOTE.format(latency=f"for {status['device']}" if status["device"] else "not predicted")
    return f"<p>{escape(' '.join(sentences))}</p>{note}"


def _figures(found: Sequence[Row], names: Sequence[str]) -> list[go.Figure | str]:
    """Each pair of objectives, and the first objective over the sizes."""
    pairs = [(x, y) for y, x in combinations(names, 2)]
    pairs += [(size, names[0]) for size in ("params", "macs") if size not in names]
    parts: list[go.Figure | str] = ["<h2>Fronts</h2>"]
    for x, y in pairs:
        if plotted(found, x, y):
            parts.append(pareto_figure(found, names, x, y))
    return parts


def _walk_tables(found: Sequence[Row]) -> list[go.Figure | str]:
    """The steps of the design walk that the study evaluated, each beside the one before."""
    parts: list[go.Figure | str] = []
    for family in FAMILY_COLOUR:
        steps = walk_steps(found, family)
        if len(steps) < 2:
            continue
        head = ("step", "trial", "proxy loss", "latency ms (80 %)", "params M", "GMACs",
                "loss against the step before", "remark")  # fmt: skip
        before: list[Row | None] = [None, *steps]
        lines = [
            [row["name"], str(row["trial"]), *_numbers(row), _change(row, last), _remark(row)]
            for row, last in zip(steps, before, strict=False)
        ]
        parts += [f"<h2>The design walk, family {family}</h2>", html_table(head, lines), _PAIRED]
    return parts


def _change(row: Row, before: Row | None) -> str:
    """Write the paired difference of two losses: the error that both share cancels in it."""
    scores = [_score(row), _score(before) if before else None]
    if scores[0] is None or scores[1] is None:
        return "–"
    change = difference(scores[0], scores[1])
    return f"{change.value:+.4f} ± {change.stderr:.4f}".replace("-", "−")


def _score(row: Row) -> Score | None:
    stored = dict(row["score"] or {})
    stored.pop("reused_from", None)
    score = Score.from_dict(stored) if stored else None
    return score if score is not None and score.ok else None


def _designs(found: Sequence[Row], names: Sequence[str]) -> str:
    best = {row["trial"] for row in shown_rows(found, names)}
    head = ("design", "trial", "front", "proxy loss", "latency ms (80 %)", "params M", "GMACs",
            "in budget", "remark")  # fmt: skip
    words = {True: "yes", False: "no", None: "–"}
    lines = [
        [
            row["name"] or row["digest"] or "–",
            str(row["trial"]),
            "●" if row["trial"] in best else "",
            *_numbers(row),
            words[row["feasible"]],
            _remark(row),
        ]
        for row in found
    ]
    return html_table(head, lines)


def _numbers(row: Row) -> list[str]:
    score, latency, cost = row["score"] or {}, row["latency"], row["cost"]
    loss = score.get("value")
    cells = ["–"] * 4
    if loss is not None:
        cells[0] = f"{loss:.4f} ± {score['stderr']:.4f}"
    if latency is not None:
        interval = f"{latency['low']:,.0f}–{latency['high']:,.0f}"
        cells[1] = f"{latency['ms']:,.0f} ({interval}) {latency['source']}"
    if cost is not None:
        cells[2:] = f"{cost['params'] / 1e6:,.2f}", f"{cost['macs'] / 1e9:,.1f}"
    return cells


def _remark(row: Row) -> str:
    if row["failed"]:
        return str(row["failed"])
    reused = (row["score"] or {}).get("reused_from")
    if reused is not None:
        return f"score of trial {reused}"
    state = str(row["state"])
    return {"COMPLETE": "", "PRUNED": "not trained"}.get(state, state.lower())


def _provenance(status: Mapping[str, Any], found: Sequence[Row]) -> list[go.Figure | str]:
    """What the study was run with; several lines where it was run by several versions or hosts."""
    known: dict[str, list[str]] = {}
    for row in found:
        origin = {k: v for k, v in (row["provenance"] or {}).items() if k != "date"}
        if origin:
            known.setdefault(json.dumps(origin, sort_keys=True), []).append(str(row["trial"]))
    settings = {
        key: status[key]
        for key in ("space", "space_digest", "device", "latency_by", "budgets", "proxy")
    }
    blocks = [("Settings", settings)]
    blocks += [(f"Trials {', '.join(t)}", json.loads(o)) for o, t in known.items()]
    dates = f"<p>First trial {status['started']}, last {status['last']}.</p>"
    return ["<h2>Provenance</h2>", dates, *(_block(title, data) for title, data in blocks)]


def _block(title: str, data: Mapping[str, Any]) -> str:
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return f"<h3>{escape(title)}</h3><pre>{escape(text)}</pre>"
