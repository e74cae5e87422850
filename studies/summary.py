"""A study and its designs as JSON: what `walkbench study list`, `status` and `best` print.

The fields are stable; `docs/json.md` lists them.

>>> from studies.records import StudyRecord
>>> study_line(StudyData("empty", ("params",), StudyRecord(), ()))["done"]
0
"""

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np

from search_space.errors import WalkbenchError
from studies import pareto
from studies.metrics import all_metrics
from studies.reading import StudyData
from studies.records import State, TrialRecord

# Words for Optuna's states, in the order they are reported.
STATES: dict[State, str] = {
    "COMPLETE": "complete",
    "PRUNED": "over_budget",
    "FAIL": "failed",
    "RUNNING": "running",
    "WAITING": "waiting",
}


def study_line(study: StudyData) -> dict[str, Any]:
    """Return one row about the study: its progress, how its trials ended, what they share."""
    table = study.table
    counted = np.bincount(table.state, minlength=len(STATES)).tolist()
    started = table.started[~np.isnan(table.started)]
    front = table.distinct(table.front(study.objectives))
    return {
        "study": study.name,
        "done": study.done,
        "trials": study.target,
        **dict(zip(STATES.values(), counted, strict=True)),
        "front": len(front),
        "objectives": list(study.objectives),
        "space": study.shared.space,
        "device": study.shared.device,
        "started": _iso(started.min()) if len(started) else None,
        "last": _iso(started.max()) if len(started) else None,
    }


def study_status(study: StudyData) -> dict[str, Any]:
    """Return all that is known of the study as one object."""
    table, names, shared = study.table, study.objectives, study.shared
    reference = table.reference(names)
    points = table.points(names)[table.front(names)]
    training = study.training
    worst = pareto.oriented(reference, names) if reference else ()
    return {
        **study_line(study),
        "budgets": dict(shared.budgets),
        "space_digest": shared.space_digest,
        "latency_by": shared.latency_by,
        "proxy": shared.proxy,
        "revisions": [dataclasses.asdict(one) for one in shared.revisions],
        "rungs": rung_rows(study),
        "trained": len(training),
        "training_seconds": round(sum(training), 1),
        "hypervolume": (
            pareto.hypervolume(map(tuple, points.tolist()), reference) if len(points) else None
        ),
        "reference_point": dict(zip(names, worst, strict=False)) or None,
        "failures": [
            {"trial": number, "name": table.name[number], "reason": reason}
            for number, reason in table.failed.items()
        ],
    }


def rung_rows(study: StudyData) -> list[dict[str, Any]]:
    """Return what each rung trains, the lowest first, and how many designs ended on it so far."""
    table = study.table
    ended = np.flatnonzero(table.counting & ~table.superseded)
    rung = table.rungs[table.distinct(np.isin(np.arange(len(table)), ended))]
    rungs = enumerate(study.shared.rungs)
    return [{"rung": i + 1, **one, "designs": int((rung == i).sum())} for i, one in rungs]


def _iso(seconds: float) -> str:
    """Write seconds since 1970 as ISO text."""
    return str(np.datetime64(int(seconds), "s"))


def iso(date: datetime | None) -> str | None:
    """Write a date as ISO text to the second."""
    return None if date is None else date.isoformat(timespec="seconds")


def best_designs(study: StudyData) -> list[TrialRecord]:
    """Return the first trial of each design on the front, in the front's order."""
    front = study.chosen(np.flatnonzero(study.table.front(study.objectives)).tolist())
    return pareto.distinct(pareto.front(front, study.objectives))


def chosen_designs(study: StudyData, *, everything: bool = False) -> list[TrialRecord]:
    """Return the front's designs, or with ``everything`` all trials in order."""
    return list(study.trials) if everything else best_designs(study)


def front_and_named(study: StudyData) -> list[TrialRecord]:
    """Return the front's designs and the named ones, each once."""
    best, table = best_designs(study), study.table
    shown = {trial.digest for trial in best}
    named = np.array([name is not None for name in table.name], dtype=bool)
    rows = [row for row in table.distinct(named).tolist() if table.digest[row] not in shown]
    return best + study.chosen(rows)


def design_rows(study: StudyData, trials: Iterable[TrialRecord]) -> list[dict[str, Any]]:
    """Return ``trials`` as the rows of `walkbench study best --format json`."""
    on_front = {trial.number for trial in best_designs(study)}
    return [_design_row(trial, trial.number in on_front) for trial in trials]


def _design_row(trial: TrialRecord, on_front: bool) -> dict[str, Any]:
    cost, found = trial.cost, {m.name: trial.measured(m.name) for m in all_metrics()}
    return {
        "trial": trial.number,
        "design": trial.name or trial.digest,
        "digest": trial.digest,
        "values": dict(trial.values),
        "feasible": trial.feasible,
        "on_front": on_front,
        "state": trial.state,
        "rung": trial.rung + 1,
        "steps": trial.score.fidelity.steps if trial.score else None,
        "params": cost.params if cost else None,
        "macs": cost.macs if cost else None,
        "latency": latency_dict(trial),
        "score": score_dict(trial),
        "failed": trial.failed,
        "outside": trial.outside,
        "spec": trial.spec,
        "metrics": {name: dataclasses.asdict(one) for name, one in found.items() if one},
    }


def latency_dict(trial: TrialRecord) -> dict[str, Any] | None:
    """Return a trial's latency and where it comes from as JSON types."""
    if trial.latency is None or trial.latency_origin is None:
        return None
    return {**dataclasses.asdict(trial.latency), **dataclasses.asdict(trial.latency_origin)}


def score_dict(trial: TrialRecord) -> dict[str, Any] | None:
    """Return a trial's score as JSON types, without its hundreds of single losses."""
    if trial.score is None:
        return None
    origin = {"reused_from": trial.trained_by, "cached_from": trial.cached_from, "run": trial.run}
    score = {**trial.score.to_dict(), **origin}
    del score["losses"]
    return score


def one_design(study: StudyData) -> TrialRecord:
    """Return the design to take when one has to be taken: the knee of the front.

    Raises :class:`WalkbenchError` when no trial is complete and within every budget.
    """
    front = study.chosen(np.flatnonzero(study.table.front(study.objectives)).tolist())
    knee = pareto.knee(front, study.objectives)
    if knee is None:
        raise WalkbenchError(
            f"study {study.name!r} has no complete trial within its budgets yet; "
            "run more trials or widen [budgets]"
        )
    return knee
