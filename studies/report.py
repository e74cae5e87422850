"""A study as one HTML page: fronts, progress, the table of designs, settings and provenance.

The page needs no network. Its numbers are those of `walkbench study best --all`.

>>> write_report(StudyData("empty", ("params",), StudyRecord(), ()), Path("report.html"))
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

import plotly.graph_objects as go

from proxies.score import difference
from search_space.errors import WalkbenchError
from studies.figures.page import html_table, write_page
from studies.figures.pareto import pareto_figure, plotted, walk_steps
from studies.figures.progress import progress_figure
from studies.figures.style import FAMILY_COLOUR
from studies.metrics import METRICS, all_metrics
from studies.reading import StudyData
from studies.records import StudyRecord, TrialRecord
from studies.summary import best_designs, study_status

__all__ = ["StudyRecord", "write_report"]

_NOTE = """
<p class="note">Params and MACs are exact. Latency is {latency}, ○ estimated, ■ measured or ◧ partly
measured, with its 80 % interval; points of estimates are hollow. The proxy loss is the validation
loss of a short training run of a small twin, the bar its standard error over validation samples: it
ranks designs roughly and does not measure image quality. Stars are named designs; a dotted line
joins steps of the SnapGen design walk.</p>
"""

_PAIRED = """
<p class="note">Differences are taken sample by sample on the same noise and times, so that what
both losses share cancels; ± is their standard error over samples. Another training seed moves a
loss by more than that.</p>
"""


def write_report(study: StudyData, path: Path) -> None:
    """Write the page to ``path``; raises :class:`WalkbenchError` when there is nothing to show."""
    if not any(trial.cost for trial in study.trials):
        raise WalkbenchError(f"study {study.name!r} has no finished trial yet; run it first")
    status = study_status(study)
    parts: list[go.Figure | str] = [_opening(study, status), *_figures(study)]
    parts += _walk_tables(study.trials)
    parts += ["<h2>Progress</h2>", progress_figure(study.trials, study.objectives)]
    parts += ["<h2>Every trial</h2>", _designs(study), *_provenance(status, study.trials)]
    write_page(path, f"Study {study.name}", parts)


def _opening(study: StudyData, status: Mapping[str, Any]) -> str:
    budgets = ", ".join(METRICS.get(k).limit(v) for k, v in study.shared.budgets.items())
    goals = ", ".join(
        f"{METRICS.get(name).title} ({METRICS.get(name).goal}d)" for name in study.objectives
    )
    sentences = [
        f"{status['done']} of {status['trials']} trials are done: {status['complete']} complete, "
        f"{status['over_budget']} over budget and so not trained, {status['failed']} failed.",
        f"Objectives: {goals}.",
        f"Budgets: {budgets or 'none'}.",
        f"{status['front']} designs are on the Pareto front of the space {status['space']}.",
    ]
    if status["training_seconds"]:
        sentences.append(
            f"{status['trained']} designs were trained, {status['training_seconds']:,.0f} s in all."
        )
    note = _NOTE.format(latency=f"for {status['device']}" if status["device"] else "not predicted")
    return f"<p>{escape(' '.join(sentences))}</p>{note}"


def _figures(study: StudyData) -> list[go.Figure | str]:
    """Each pair of objectives, and the first objective over the sizes."""
    names = study.objectives
    pairs = [(x, y) for y, x in combinations(names, 2)]
    pairs += [(size, names[0]) for size in ("params", "macs") if size not in names]
    parts: list[go.Figure | str] = ["<h2>Fronts</h2>"]
    for x, y in pairs:
        if plotted(study.trials, x, y):
            parts.append(pareto_figure(study.trials, names, x, y))
    return parts


def _columns(study: StudyData) -> list[str]:
    own = {*study.objectives, *study.shared.budgets}
    return [m.name for m in all_metrics() if m.in_tables or m.name in own]


def _walk_tables(trials: Sequence[TrialRecord]) -> list[go.Figure | str]:
    """The steps of the design walk that the study evaluated, each beside the one before."""
    parts: list[go.Figure | str] = []
    shown = [m for m in all_metrics() if m.in_tables]
    for family in FAMILY_COLOUR:
        steps = walk_steps(trials, family)
        if len(steps) < 2:
            continue
        head = ("step", "trial", *(m.column for m in shown), "loss against the step before",
                "remark")  # fmt: skip
        before: list[TrialRecord | None] = [None, *steps]
        lines = [
            [
                trial.label,
                str(trial.number),
                *(m.write(trial.measured(m.name)) for m in shown),
                _change(trial, last),
                _remark(trial),
            ]
            for trial, last in zip(steps, before, strict=False)
        ]
        parts += [f"<h2>The design walk, family {family}</h2>", html_table(head, lines), _PAIRED]
    return parts


def _change(trial: TrialRecord, before: TrialRecord | None) -> str:
    """Write the paired difference of two losses: the error that both share cancels in it."""
    scores = [trial.score, before.score if before else None]
    known = [score for score in scores if score is not None and score.ok]
    if len(known) < 2:
        return "–"
    change = difference(known[0], known[1])
    return f"{change.value:+.4f} ± {change.stderr:.4f}".replace("-", "−")


def _designs(study: StudyData) -> str:
    best = {trial.number for trial in best_designs(study)}
    shown = [METRICS.get(name) for name in _columns(study)]
    head = ("design", "trial", "front", *(m.column for m in shown), "in budget", "remark")
    words = {True: "yes", False: "no", None: "–"}
    lines = [
        [
            trial.label,
            str(trial.number),
            "●" if trial.number in best else "",
            *(m.write(trial.measured(m.name)) for m in shown),
            words[trial.feasible],
            _remark(trial),
        ]
        for trial in study.trials
    ]
    return html_table(head, lines)


def _remark(trial: TrialRecord) -> str:
    if trial.failed:
        return trial.failed
    if trial.trained_by is not None:
        return f"score of trial {trial.trained_by}"
    return {"COMPLETE": "", "PRUNED": "not trained"}.get(trial.state, trial.state.lower())


def _provenance(status: Mapping[str, Any], trials: Sequence[TrialRecord]) -> list[go.Figure | str]:
    """Settings and origin; several blocks where several versions or hosts ran the study."""
    known: dict[str, list[str]] = {}
    for trial in trials:
        origin = {k: v for k, v in (trial.provenance or {}).items() if k != "date"}
        if origin:
            known.setdefault(json.dumps(origin, sort_keys=True), []).append(str(trial.number))
    settings = {
        key: status[key]
        for key in (
            "space",
            "space_digest",
            "device",
            "latency_by",
            "revisions",
            "budgets",
            "proxy",
        )
    }
    blocks = [("Settings", settings)]
    blocks += [(f"Trials {', '.join(t)}", json.loads(o)) for o, t in known.items()]
    dates = f"<p>First trial {status['started']}, last {status['last']}.</p>"
    return ["<h2>Provenance</h2>", dates, *(_block(title, data) for title, data in blocks)]


def _block(title: str, data: Mapping[str, Any]) -> str:
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return f"<h3>{escape(title)}</h3><pre>{escape(text)}</pre>"
