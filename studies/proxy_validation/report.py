"""The report of a validation study: how well short training ranks designs.

Designs count with every seed that all of them have finished, so the report of a study that still
runs is a smaller report and not a biased one. The truth is a design's mean loss over its long runs;
the proxy is its mean loss over its short runs, which have seeds of their own. Every
quantity is oriented so that more is better before it is ranked.

>>> from studies.proxy_validation.plan import make_plan
>>> report(make_plan("pocket", designs=4, strata=2, short=2, long=20, seeds=2), [], {})
Traceback (most recent call last):
search_space.errors.WalkbenchError: no seed is finished for all 4 designs yet; let the study go on
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from latency_db.agreement import (
    Values,
    interval,
    interval_of,
    kendall,
    resamples,
    spearman,
    spearman_of_resamples,
)
from proxies.resolution import resolution_axes
from proxies.score import Score
from search_space.cost import cost
from search_space.errors import WalkbenchError
from studies.proxy_validation.noise import ceiling, reliability, splits
from studies.proxy_validation.plan import SHORT_SEEDS, ValidationPlan
from studies.proxy_validation.ranking import (
    better_half,
    concordance,
    partial_spearman,
    precision_at,
    regret,
)
from studies.proxy_validation.runs import Result
from studies.proxy_validation.walk_gaps import walk_report

TOP = 5  # of precision@k
NEEDS_TWO_SEEDS = (
    "noise_ceiling",
    "noise_ceiling_groups",
    "noise_ceiling_better_half",
    "reliability",
    "spearman_corrected",
    "spearman_better_half_corrected",
)
NEEDS_BASELINES = (
    "best_baseline",
    "best_baseline_spearman",
    "gain_over_best_baseline",
    "gain_over_best_baseline_low",
    "gain_over_best_baseline_high",
    "partial_spearman_given_macs",
)
Baselines = Mapping[str, Mapping[str, float]]
Scores = Mapping[tuple[str, str, int], Score]  # by label, kind and seed
Runs = Sequence[Sequence[Score]]  # of every design, of every seed


def report(plan: ValidationPlan, results: Sequence[Result], baselines: Baselines) -> dict[str, Any]:
    """Return ``{"summary": …, "rows": …, "walk": …}`` of plain JSON types.

    Raises :class:`WalkbenchError` while no seed is finished for all designs.
    """
    scores: Scores = {(r.run.label, r.run.kind, r.run.seed): r.score for r in results}
    labels = [design.label for design in plan.designs]
    seeds = [s for s in range(plan.seeds) if _finished(scores, labels, s)]
    if not seeds:
        raise WalkbenchError(
            f"no seed is finished for all {len(labels)} designs yet; let the study go on"
        )
    few = [[scores[label, "short", SHORT_SEEDS + s] for s in seeds] for label in labels]
    many = [[scores[label, "long", s] for s in seeds] for label in labels]
    short, long = (np.array([[s.value for s in row] for row in runs]) for runs in (few, many))
    rivals = {
        name: np.array([baselines[label][name] for label in labels])
        for name in baselines.get(labels[0], ())
    }
    summary = {
        "n_designs": len(labels),
        "seeds": len(seeds),
        **_agreement(-short.mean(axis=1), -long.mean(axis=1)),
        "compute_ratio": plan.compute_ratio,
        "seconds_ratio": _seconds(few) / _seconds(many),
        **_against_noise(short, long),
        **_against_baselines(-short.mean(axis=1), -long.mean(axis=1), rivals),
        **_within_bands(plan, -short.mean(axis=1), -long.mean(axis=1)),
        "by_steps": _by_steps(plan, many),
        "by_bucket": _by_bucket(few, -long.mean(axis=1)),
        "second_latent": _second_latent(plan, -short.mean(axis=1), -long.mean(axis=1)),
        "failed_runs": sum(not score.ok for row in (*few, *many) for score in row),
        "made_with": _made_with(results),
        "left_out": plan.left_out,
        "space": plan.space,
        "short_steps": plan.short,
        "long_steps": plan.long,
        "width": plan.width,
        "latent": plan.latent,
        "batch": plan.recipe.batch,
        "short_latent": plan.short_side,
        "short_batch": plan.short_recipe.batch,
        "device": plan.device,
    }
    return {
        "summary": _plain(summary),
        "walk": walk_report(plan, scores),
        "rows": _rows(plan, short, long, baselines),
    }


def _finished(scores: Scores, labels: Sequence[str], seed: int) -> bool:
    return all(
        (label, "long", seed) in scores and (label, "short", SHORT_SEEDS + seed) in scores
        for label in labels
    )


def _made_with(results: Sequence[Result]) -> list[str]:
    """Return the versions that the runs were trained with; one line, unless a study mixes them."""
    return sorted({result.made_with or "not recorded" for result in results})


def _plain(value: Any) -> Any:
    """Return ``value`` with None for what is not known: a rank correlation of equal numbers."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _seconds(runs: Runs) -> float:
    return sum(score.fidelity.seconds for row in runs for score in row)


def _agreement(x: Values, truth: Values) -> dict[str, Any]:
    """How well ``x`` ranks as ``truth`` does, overall and among the better half."""
    draws = resamples(len(truth))
    half = better_half(truth)
    low, high = interval_of(spearman_of_resamples(x, truth, draws))
    tau_low, tau_high = interval(lambda i: kendall(x[i], truth[i]), draws)
    half_low, half_high = interval_of(
        spearman_of_resamples(x[half], truth[half], resamples(len(half)))
    )
    return {
        "spearman": spearman(x, truth),
        "spearman_low": low,
        "spearman_high": high,
        "spearman_better_half": spearman(x[half], truth[half]),
        "spearman_better_half_low": half_low,
        "spearman_better_half_high": half_high,
        "kendall": kendall(x, truth),
        "kendall_low": tau_low,
        "kendall_high": tau_high,
        f"precision_at_{TOP}": precision_at(TOP, x, truth),
        "regret": regret(x, truth),
    }


def _against_noise(short: Values, long: Values) -> dict[str, Any]:
    """The noise ceiling, what it leaves of the agreement, and what one short seed alone reaches."""
    truth, seeds = -long.mean(axis=1), long.shape[1]
    single = float(np.mean([spearman(-short[:, s], truth) for s in range(seeds)]))
    if seeds < 2:
        return {"spearman_one_short_seed": single, **dict.fromkeys(NEEDS_TWO_SEEDS)}
    found, (first, second) = ceiling(long), (seeds // 2, seeds - seeds // 2)
    reliable = reliability(found, first, second, seeds)
    half = better_half(truth)
    half_ceiling = ceiling(long[half])
    half_reliable = reliability(half_ceiling, first, second, seeds)
    proxy = -short.mean(axis=1)
    return {
        "spearman_one_short_seed": single,
        "noise_ceiling": found,
        "noise_ceiling_groups": [first, second],
        "noise_ceiling_better_half": half_ceiling,
        "reliability": reliable,
        "spearman_corrected": _corrected(spearman(proxy, truth), reliable),
        "spearman_better_half_corrected": _corrected(
            spearman(proxy[half], truth[half]), half_reliable
        ),
    }


def _corrected(value: float, reliable: float) -> float | None:
    """Correct for noise in the truth alone: noise of the proxy is the proxy's own fault."""
    if math.isnan(value) or not reliable > 0:
        return None
    return min(1.0, value / math.sqrt(reliable))


def _against_baselines(x: Values, truth: Values, rivals: Mapping[str, Values]) -> dict[str, Any]:
    if not rivals:
        return {**dict.fromkeys(NEEDS_BASELINES), "baselines": {}}
    found = {name: spearman(values, truth) for name, values in rivals.items()}
    best = max(found, key=lambda name: found[name] if math.isfinite(found[name]) else -2)
    draws = resamples(len(truth))
    # Over the best of each resample: which one is best is part of what chance decides.
    beaten = np.fmax.reduce([spearman_of_resamples(v, truth, draws) for v in rivals.values()])
    low, high = interval_of(spearman_of_resamples(x, truth, draws) - beaten)
    return {
        "best_baseline": best,
        "best_baseline_spearman": found[best],
        "gain_over_best_baseline": spearman(x, truth) - found[best],
        "gain_over_best_baseline_low": low,
        "gain_over_best_baseline_high": high,
        "partial_spearman_given_macs": partial_spearman(x, truth, rivals["macs"]),
        "baselines": found,
    }


def _within_bands(plan: ValidationPlan, x: Values, truth: Values) -> dict[str, Any]:
    """The mean rank correlation inside the latency bands, where a search has to choose."""
    strata = np.array([design.stratum for design in plan.designs])
    found = [spearman(x[strata == s], truth[strata == s]) for s in sorted(set(strata.tolist()))]
    return {"spearman_within_bands": float(np.mean(found)), "bands": found}


def _second_latent(plan: ValidationPlan, x: Values, truth: Values) -> dict[str, float]:
    """The agreement on pairs that differ in what a small twin shows in part, and on the others."""
    pairs = list(itertools.combinations(range(len(plan.designs)), 2))
    specs = [design.spec for design in plan.designs]
    need = [pair for pair in pairs if resolution_axes(*(specs[i] for i in pair))]
    others = sorted(set(pairs) - set(need))
    return {
        "share": len(need) / len(pairs),
        "kendall": concordance(x, truth, need),
        "kendall_others": concordance(x, truth, others),
    }


def _by_steps(plan: ValidationPlan, long: Runs) -> list[dict[str, float | None]]:
    """How well a long run's state on the way ranks as seeds do at the end: others, and itself.

    ``spearman`` is with *other* seeds, None with one seed; ``spearman_same_run`` with the same
    runs' ends, so that it reaches 1 and tells what more seeds would not mend.
    """
    out: list[dict[str, float | None]] = []
    end = np.array([[score.value for score in row] for row in long])
    seeds = end.shape[1]
    for share, steps in zip((*plan.marks, 1.0), plan.steps_of_marks(plan.long), strict=True):
        now = np.array([[score.loss_at(steps) for score in row] for row in long])
        agreements = [
            spearman(-now[:, a].mean(axis=1), -end[:, b].mean(axis=1))
            for one, other in splits(seeds)
            for a, b in ((one, other), (other, one))
        ]
        own = [spearman(-now[:, s], -end[:, s]) for s in range(seeds)]
        others = float(np.mean(agreements)) if agreements else None
        row = {"steps": steps, "share": share, "spearman": others}
        out.append({**row, "spearman_same_run": float(np.mean(own))})
    return out


def _by_bucket(short: Runs, truth: Values) -> list[float]:
    """Rank correlation of the short runs' loss in each timestep bucket with the truth."""
    if not all(score.buckets for row in short for score in row):
        return []  # a failed run has none
    buckets = np.array([[score.buckets for score in row] for row in short]).mean(axis=1)
    return [spearman(-bucket, truth) for bucket in buckets.T]


def _rows(
    plan: ValidationPlan, short: Values, long: Values, baselines: Baselines
) -> list[dict[str, Any]]:
    """One row per design, best first."""
    out = [
        {
            "design": design.label,
            "digest": design.spec.digest(),
            "stratum": design.stratum,
            "latency_ms": design.latency_ms,
            "macs": cost(design.spec).macs,
            "params": cost(design.spec).params,
            "short": _number(few.mean()),
            "long": _number(many.mean()),
            "short_by_seed": [_number(v) for v in few],
            "long_by_seed": [_number(v) for v in many],
            "baselines": dict(baselines.get(design.label, {})),
        }
        for design, few, many in zip(plan.designs, short, long, strict=True)
    ]
    return sorted(out, key=lambda row: row["long"] if row["long"] is not None else math.inf)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
