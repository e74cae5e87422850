"""What one line says of a study, and what one row says of a candidate that is worth showing.

`walkbench study` prints these, the report and the demo show them.

>>> [row["design"] for row in shown_rows([], ("params",))]
[]
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import optuna

from search_space.errors import WalkbenchError
from studies import pareto
from studies.pareto import Row
from studies.runner import TARGET, count_done
from studies.store import about, objectives, rows

# What Optuna's states mean to us, in the order they are reported.
STATES = {
    "COMPLETE": "complete",
    "PRUNED": "over_budget",
    "FAIL": "failed",
    "RUNNING": "running",
    "WAITING": "waiting",
}


def study_line(study: optuna.Study) -> dict[str, Any]:
    """Return one row about the study: how far it is, how its trials ended, what it is about."""
    found, shared, names = rows(study), about(study), objectives(study)
    counted = Counter(row["state"] for row in found)
    dates = [row["started"] for row in found if row["started"]]
    return {
        "study": study.study_name,
        "done": count_done(study),
        "trials": study.user_attrs.get(TARGET),
        **{word: counted[state] for state, word in STATES.items()},
        "front": len(pareto.distinct(pareto.front(found, names))),
        "objectives": list(names),
        "space": (shared.get("space") or {}).get("name"),
        "device": shared.get("device"),
        "started": min(dates, default=None),
        "last": max(dates, default=None),
    }


def study_status(study: optuna.Study) -> dict[str, Any]:
    """Return all there is to say about the study in one object."""
    found, shared, names = rows(study), about(study), objectives(study)
    best = pareto.front(found, names)
    reference = pareto.reference_point(found, names)
    points = [p for row in best if (p := pareto.point(row, names))]
    trained = [row for row in found if (row["score"] or {}).get("reused_from", 0) is None]
    return {
        **study_line(study),
        "budgets": shared.get("budgets") or {},
        "space_digest": (shared.get("space") or {}).get("digest"),
        "latency_by": shared.get("latency_by"),
        "proxy": shared.get("proxy"),
        "trained": len(trained),
        "training_seconds": round(sum(r["score"]["fidelity"]["seconds"] for r in trained), 1),
        "hypervolume": pareto.hypervolume(points, reference) if points else None,
        "reference_point": dict(zip(names, reference, strict=False)) or None,
        "failures": [
            {"trial": row["trial"], "name": row["name"], "reason": row["failed"]}
            for row in found
            if row["failed"]
        ],
    }


def shown_rows(
    found: Sequence[Row], names: Sequence[str], *, everything: bool = False
) -> list[dict[str, Any]]:
    """Return the front's designs, or with ``everything`` all trials, ready to be printed.

    Each row has ``trial, design`` (name, else digest), ``spec, values, feasible, on_front, state``
    and ``params, macs, latency, score, failed`` where the trial has them.
    """
    best = pareto.distinct(pareto.front(found, names))
    on_front = {row["trial"] for row in best}
    chosen: Iterable[Row] = found if everything else best
    return [shown_row(row, row["trial"] in on_front) for row in chosen]


def front_and_named(found: Sequence[Row], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the front's designs and the named ones, each once, as :func:`shown_rows` does."""
    chosen = shown_rows(found, names)
    shown = {row["digest"] for row in chosen}
    named = [row for row in found if row["name"] and row["digest"] not in shown]
    return chosen + [shown_row(row, on_front=False) for row in pareto.distinct(named)]


def shown_row(row: Row, on_front: bool) -> dict[str, Any]:
    """Return one trial as :func:`shown_rows` does."""
    cost, score = row["cost"] or {}, dict(row["score"] or {})
    score.pop("losses", None)  # hundreds of numbers; the storage keeps them
    return {
        "trial": row["trial"],
        "design": row["name"] or row["digest"],
        "digest": row["digest"],
        "values": row["values"],
        "feasible": row["feasible"],
        "on_front": on_front,
        "state": row["state"],
        "params": cost.get("params"),
        "macs": cost.get("macs"),
        "latency": row["latency"],
        "score": score or None,
        "failed": row["failed"],
        "spec": row["spec"],
    }


def one_design(study: optuna.Study) -> Row:
    """Return the design to take when one has to be taken: the knee of the front.

    Raises :class:`WalkbenchError` when no trial is complete and within every budget.
    """
    knee = pareto.knee(rows(study), objectives(study))
    if knee is None:
        raise WalkbenchError(
            f"study {study.study_name!r} has no complete trial within its budgets yet; "
            "run more trials or widen [budgets]"
        )
    return knee
