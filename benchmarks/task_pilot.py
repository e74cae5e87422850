"""On which task do designs differ most for the time it takes? Eight designs, two seeds a task.

    python benchmarks/task_pilot.py --workers 2     # trains what is missing, then reports
    python benchmarks/task_pilot.py --report

The rule, fixed before any task was trained: take the task that tells designs apart most for its
time, (spread / noise)² per CPU minute. n seeds divide the squared noise by n and take n times as
long, so this is what a minute buys whatever the number of seeds. Where two tasks come within a
fifth of each other, take the one that does so among its four best designs.

Losses are in logarithms. The noise is the standard deviation of one seed's loss, less what a seed
does to all designs alike; the spread is the standard deviation between designs without the noise
that is left in their means.

The designs are drawn from `pocket` under a seed that no validation uses, two from each band of
latency, samplers and widths of the first stage balanced. Writes

    benchmarks/results/task_pilot.jsonl   one line per run
    benchmarks/results/task_pilot.json    the ratios and the choice, with date, machine and versions
"""

import argparse
import json
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from cells import Cell, finish, results

from latency_db.sources import source_of
from proxies.data.source import DataSource
from proxies.recipe import Budget
from proxies.recipes import RECIPES
from proxies.trainer import train_run
from proxies.training_run import TrainingSettings
from search_space.provenance import provenance
from search_space.sample import draw
from search_space.space import SearchSpace
from search_space.spec import UNetSpec
from studies.proxy_validation.balance import balanced
from studies.proxy_validation.fairness import recipe_digest

RESULTS = Path(__file__).parent / "results"
CURVES = Path(__file__).parents[1] / "tests" / "proxies" / "golden_curves.json"
SAMPLE_SEED = 77
DESIGNS, BANDS, SEEDS = 8, 4, 2
WIDTH = 8
TASKS: dict[str, dict[str, Any]] = {
    "shapes-24": {"data": None, "latent": 24, "steps": 400},
    "crowd-32": {"data": "crowd", "latent": 32, "steps": 400},
    "scenes-32": {"data": "scenes", "latent": 32, "steps": 400},
    "scenes-48": {"data": "scenes", "latent": 48, "steps": 400},
}


@cache
def designs() -> list[UNetSpec]:
    """Return the designs of the pilot."""
    source = source_of("iPhone 15 Pro")
    pool = dict.fromkeys(draw(SearchSpace.load("pocket"), 8 * DESIGNS, SAMPLE_SEED), 0.0)
    pool = {spec: source.predict(spec).ms for spec in pool}
    chosen = balanced(pool, DESIGNS, BANDS, lambda spec: (spec.sampler, spec.stages[0].channels))
    return [spec for spec, _ in chosen]


def train(cell: Cell) -> Cell:
    """Train one design on one task."""
    task = TASKS[cell["task"]]
    settings = TrainingSettings(
        Budget(steps=task["steps"]),
        width=WIDTH,
        latent=task["latent"],
        recipe=RECIPES["fair"],
        data=DataSource(data=task["data"]),
    )
    run = settings.run(designs()[cell["design"]], seed=cell["seed"])
    before = time.process_time()
    score = train_run(run)
    assert score.ok, score.failed
    return {"loss": score.value, "buckets": score.buckets, "cpu_s": time.process_time() - before}


def summary(lines: list[Cell]) -> dict[str, Any]:
    """Return spread, noise and their ratio for every task that is complete."""
    found = {}
    for task in TASKS:
        losses = {(o["design"], o["seed"]): o["loss"] for o in lines if o["task"] == task}
        if len(losses) < DESIGNS * SEEDS:
            continue
        logs = np.log([[losses[d, s] for s in range(SEEDS)] for d in range(DESIGNS)])
        seconds = float(np.mean([o["cpu_s"] for o in lines if o["task"] == task]))
        logs = logs - logs.mean(axis=0)  # what a seed does to all designs is no noise between them
        noise = float(np.sqrt(logs.var(axis=1, ddof=1).sum() / (DESIGNS - 1)))
        means = np.sort(logs.mean(axis=1))
        spread, best = (_spread(part, noise) for part in (means, means[:4]))
        found[task] = {
            "loss": float(np.exp(np.log([*losses.values()]).mean())),
            "noise_of_one_seed": noise,
            "spread": spread,
            "spread_of_best_four": best,
            "ratio": spread / noise,
            "ratio_of_best_four": best / noise,
            "cpu_seconds": seconds,
            "per_cpu_minute": (spread / noise) ** 2 / (seconds / 60),
            "best_four_per_cpu_minute": (best / noise) ** 2 / (seconds / 60),
            "mean_by_design": [float(x) for x in logs.mean(axis=1)],
        }
    return found


def choice(found: dict[str, Any]) -> str | None:
    """Return the task that the rule takes; None while a task is incomplete."""
    if set(found) != set(TASKS):
        return None
    most = max(one["per_cpu_minute"] for one in found.values())
    near = [task for task in found if found[task]["per_cpu_minute"] > 0.8 * most]
    return max(near, key=lambda task: found[task]["best_four_per_cpu_minute"])


def _spread(means: Any, noise: float) -> float:
    """Return the standard deviation of designs without the noise left in means over seeds."""
    return float(np.sqrt(max(0.0, means.var(ddof=1) - noise**2 / SEEDS)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="train nothing")
    given = parser.parse_args()
    curve = json.loads(CURVES.read_text(encoding="utf-8"))["fair"]
    digest = recipe_digest(RECIPES["fair"], curve)
    lines = RESULTS / "task_pilot.jsonl"
    cells = [
        {"recipe": digest, "task": task, "design": design, "seed": seed}
        for seed in range(SEEDS)
        for task in given.tasks
        for design in range(DESIGNS)
    ]
    if not given.report:
        finish(lines, cells, train, given.workers)
    found = summary([line for line in results(lines) if line["recipe"] == digest])
    report = {
        "recipe_digest": digest,
        "tasks": found,
        "chosen": choice(found),
        "provenance": provenance(),
    }
    text = json.dumps(report, indent=1)
    lines.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
