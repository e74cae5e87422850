"""Baselines that short training must beat: numbers known without training.

Parameters, MACs, estimated latency and the zero-cost scores of its twin. Each is meant as "more is
better", and none of them costs more than a few gradients.

>>> from studies.proxy_validation.plan import make_plan
>>> plan = make_plan("pocket", designs=4, strata=2, short=2, long=20, seeds=2, width=8)
>>> sorted(baselines(plan, plan.designs[0]))[:3]
['grad_norm', 'jacov', 'latency']
"""

import json
from collections.abc import Callable
from pathlib import Path

from proxies.threads import cpu_threads
from proxies.zero_cost import zero_cost_scores
from search_space.atomic import atomic_write
from search_space.errors import WalkbenchError
from studies.proxy_validation.plan import PlannedDesign, ValidationPlan

ZERO_COST_SEED = 0
BASELINES = "baselines.json"


def baselines(plan: ValidationPlan, design: PlannedDesign) -> dict[str, float]:
    """Return every baseline of ``design`` by name."""
    parts = plan.data.load(plan.latent)
    with cpu_threads(1):
        scores = zero_cost_scores(
            design.spec,
            plan.width,
            plan.latent,
            seed=ZERO_COST_SEED,
            data=None if parts is None else parts.train,
        )
    return {"latency": design.latency_ms, **scores}


def read_baselines(folder: Path) -> dict[str, dict[str, float]]:
    """Return the baselines that ``folder`` holds, by label; raises :class:`WalkbenchError`."""
    path = folder / BASELINES
    if not path.is_file():
        return {}
    try:
        found: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WalkbenchError(
            f"{path} cannot be read ({error}); remove it to compute it again"
        ) from None
    return found


def kept_baselines(
    plan: ValidationPlan, folder: Path, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, dict[str, float]]:
    """Return the baselines of the plan's sampled designs by label, computed once per ``folder``.

    Raises :class:`WalkbenchError` where the data are no longer those of the plan.
    """
    found, path = read_baselines(folder), folder / BASELINES
    content = plan.data.content(plan.latent)
    if content != plan.content:
        raise WalkbenchError(
            f"the data of {folder} hold {content!r} now and held {plan.content!r} when it was "
            "planned; bring those back"
        )
    for i, design in enumerate(plan.designs):
        if design.label not in found:
            found[design.label] = baselines(plan, design)
            with atomic_write(path) as partial:
                partial.write_text(json.dumps(found, indent=1), encoding="utf-8")
        if progress is not None:
            progress(i + 1, len(plan.designs), design.label)
    return found
