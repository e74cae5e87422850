"""Results of a study that nobody trained: losses follow from a design's place and chosen noise."""

from dataclasses import replace

import numpy as np

from proxies.recipe import Recipe
from proxies.score import Fidelity, Score
from studies.proxy_validation.plan import ValidationPlan, make_plan
from studies.proxy_validation.runs import PlannedRun, Result, runs_of


def small_plan(
    designs: int = 12, seeds: int = 4, walk: str | None = None, **short: int | None
) -> ValidationPlan:
    """A plan whose runs would take seconds."""
    recipe = Recipe(batch=2, train_images=16, validation_images=8)
    return make_plan(
        "pocket",
        designs=designs,
        strata=2,
        short=1,
        long=10,
        seeds=seeds,
        walk=walk,
        width=8,
        recipe=recipe,
        **short,
    )


def made_results(
    plan: ValidationPlan, short_noise: float = 0.0, long_noise: float = 0.0, seed: int = 0
) -> list[Result]:
    """Losses 1.00, 1.01, … in the plan's order with independent noise in every run."""
    draw = np.random.default_rng(seed)
    place = {design.label: i for i, design in enumerate(plan.designs)}
    place |= {design.label: i for i, design in enumerate(plan.walk)}

    def result(run: PlannedRun) -> Result:
        noise = short_noise if run.kind == "short" else long_noise
        loss = 1 + 0.01 * place[run.label] + noise * draw.standard_normal()
        fidelity = Fidelity(run.steps, float(run.steps), plan.width, plan.latent, 2, run.seed)
        score = Score(loss, 0.01, 8, fidelity, buckets=(loss,) * 8)
        if run.kind != "short":
            marks = [(round(m * run.steps), m * run.steps, 2 * loss) for m in plan.marks]
            score = replace(score, curve=tuple(marks))
        return Result(run, score)

    return [result(run) for run in runs_of(plan)]


def made_baselines(plan: ValidationPlan) -> dict[str, dict[str, float]]:
    """`macs` ranks as the truth does but for two neighbours, `latency` the other way round."""
    out = {}
    for i, design in enumerate(plan.designs):
        swapped = {0: 1, 1: 0}.get(i, i)
        out[design.label] = {"macs": -float(swapped), "latency": float(i)}
    return out
