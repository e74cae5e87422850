"""The design walk under short training: which of its steps change the loss by more than noise.

A step of the walk is REAL when the 95 % interval of its change in loss excludes zero, and INSIDE
NOISE otherwise; "no change" is never shown, only "no more than this". For a difference of one
percent it is said how many seeds would show it, at every length that was trained.

>>> from studies.proxy_validation.plan import make_plan
>>> walk_report(make_plan("pocket", designs=4, strata=2, short=2, long=20, seeds=2), {}) is None
True
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from proxies.score import Score
from studies.proxy_validation.noise import gaps, paired, pooled, seeds_to_resolve
from studies.proxy_validation.plan import Plan
from studies.proxy_validation.ranking import Values

REAL, NOISE = "REAL", "INSIDE NOISE"
SHARE = 0.01  # the difference in loss that decided the paper's design: 0.506 / 0.509 / 0.513


def walk_report(plan: Plan, scores: Mapping[tuple[str, str, int], Score]) -> dict[str, Any] | None:
    """Return steps with their change in loss and verdict, and the seeds that show one percent.

    None while fewer than two seeds of the walk are finished, or the plan has no walk.
    """
    labels = [design.label for design in plan.walk]
    seeds = [s for s in range(plan.seeds) if all((x, "walk", s) in scores for x in labels)]
    if not labels or len(seeds) < 2:
        return None
    by_seed = [[scores[label, "walk", s] for s in seeds] for label in labels]
    values = np.array([[score.value for score in row] for row in by_seed])  # (walk, seeds)
    found = [
        {**dataclasses.asdict(gap), "verdict": REAL if gap.real else NOISE}
        for gap in gaps(labels, values)
    ]
    return {
        "seeds": len(seeds),
        "steps": plan.walk_steps,
        "loss": {
            label: {"mean": float(row.mean()), "by_seed": row.tolist()}
            if np.isfinite(row).all()
            else None
            for label, row in zip(labels, values, strict=True)
        },
        "changes": found,
        "one_percent": [
            {"steps": steps, **_needed(at)} for steps, at in _states(plan, by_seed, values)
        ],
    }


def _states(plan: Plan, by_seed: list[list[Score]], values: Values) -> list[tuple[int, Values]]:
    """Return the losses at every validation on the way, and at the end."""
    found = []
    for i in range(min(len(score.curve) for row in by_seed for score in row)):
        at = np.array([[score.curve[i][2] for score in row] for row in by_seed])
        found.append((by_seed[0][0].curve[i][0], at))
    return [*found, (plan.walk_steps, values)]


def _needed(values: Values) -> dict[str, float | int | None]:
    """Return the deviation of a relative difference between neighbours, and seeds for 1 %."""
    differences = paired(values)
    usable = np.isfinite(differences).all(axis=1)
    if not usable.any():
        return {"deviation": None, "seeds": None}
    deviation, _ = pooled(differences[usable])
    return {"deviation": deviation, "seeds": seeds_to_resolve(SHARE, deviation)}
