"""The design walk under short training: which of its steps change the loss by more than noise.

A step of the walk is REAL when the 95 % interval of its change in loss excludes zero, and INSIDE
NOISE otherwise; "no change" is never shown, only "no more than this". The report also says how many
seeds would show a difference of one percent, at every trained length. A step along an axis that a
small twin shows only in part names the other latent at which it has yet to be trained.

>>> from studies.proxy_validation.plan import make_plan
>>> walk_report(make_plan("pocket", designs=4, strata=2, short=2, long=20, seeds=2), {}) is None
True
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from latency_db.agreement import Values
from proxies.resolution import latents_for
from proxies.score import Score
from studies.proxy_validation.noise import gaps, paired, pooled, seeds_to_resolve
from studies.proxy_validation.plan import ValidationPlan
from studies.verdict import verdict
from studies.walk import published_walk

SHARE = 0.01  # the difference in loss that decided the paper's design: 0.506 / 0.509 / 0.513


def walk_report(
    plan: ValidationPlan, scores: Mapping[tuple[str, str, int], Score]
) -> dict[str, Any] | None:
    """Return steps with their change in loss and verdict, and the seeds that show one percent.

    None while fewer than two seeds of the walk are finished, or the plan has no walk.
    """
    labels = [design.label for design in plan.walk]
    seeds = [s for s in range(plan.seeds) if all((x, "walk", s) in scores for x in labels)]
    if not labels or len(seeds) < 2:
        return None
    runs = {label: [scores[label, "walk", s] for s in seeds] for label in labels}
    losses = {label: np.array([score.value for score in row]) for label, row in runs.items()}
    pairs = _pairs(labels)
    specs = {design.label: design.spec for design in plan.walk}
    found = [
        {
            **dataclasses.asdict(gap),
            "verdict": verdict(gap.low, gap.high, len(seeds)),
            # the first is the one that was trained
            "untried_latents": [*latents_for(specs[gap.before], specs[gap.after], plan.latent)[1:]],
        }
        for gap in gaps(pairs, losses)
    ]
    return {
        "seeds": len(seeds),
        "steps": plan.walk_steps,
        "width": plan.width,
        "latent": plan.latent,
        "loss_by_seed": {
            label: [float(v) if np.isfinite(v) else None for v in row]
            for label, row in losses.items()
        },
        "changes": found,
        "one_percent": [
            {"steps": steps, **_needed(pairs, at)} for steps, at in _states(plan, runs)
        ],
    }


def _pairs(labels: Sequence[str]) -> list[tuple[str, str]]:
    """Return every step with the one that the paper compares it to."""
    published, family = published_walk(), labels[0].partition("/")[0]
    against = {label: published[label.partition("/")[2]].get("against") for label in labels}
    return [(f"{family}/{before}", label) for label, before in against.items() if before]


def _states(
    plan: ValidationPlan, runs: Mapping[str, Sequence[Score]]
) -> list[tuple[int, Mapping[str, Values]]]:
    """Return the losses by label at every validation on the way, and at the end."""
    return [
        (
            steps,
            {
                label: np.array([score.loss_at(steps) for score in row])
                for label, row in runs.items()
            },
        )
        for steps in plan.steps_of_marks(plan.walk_steps)
    ]


def _needed(
    pairs: Sequence[tuple[str, str]], losses: Mapping[str, Values]
) -> dict[str, float | int | None]:
    """Return the deviation of a relative difference between neighbours, and seeds for 1 %."""
    differences = paired(pairs, losses)
    usable = np.isfinite(differences).all(axis=1)
    if not usable.any():
        return {"deviation": None, "seeds": None}
    deviation, _ = pooled(differences[usable])
    return {"deviation": deviation, "seeds": seeds_to_resolve(SHARE, deviation)}
