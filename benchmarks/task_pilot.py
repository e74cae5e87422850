"""On which task do designs differ most for the time it takes? Eight designs, two seeds a task.

    python benchmarks/task_pilot.py --workers 2     # trains what is missing, then reports
    python benchmarks/task_pilot.py --report

The rule, fixed before any run of a validation's long runs: take the task with the largest ratio of
the spread between designs to the noise of one seed, per square root of CPU seconds (n seeds lower
noise by √n and cost n times the time), unless its four best designs are tied (spread below noise),
in which case the next one. Spreads are of ln(loss − floor is unknown) of the raw loss: standard
deviation over designs of the mean over seeds, less the noise that is left in it.

The designs are drawn from `pocket` under a seed that no validation uses, two from each band of
latency, samplers and widths of the first stage balanced. Writes

    benchmarks/results/task_pilot.jsonl   one line per run
    benchmarks/results/task_pilot.json    the ratios, with date, machine and versions
"""

import argparse
import json
import time
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

RESULTS = Path(__file__).parent / "results"
SAMPLE_SEED = 77
DESIGNS, BANDS, SEEDS = 8, 4, 2
WIDTH = 8
TASKS: dict[str, dict[str, Any]] = {
    "shapes-24": {"data": None, "latent": 24, "steps": 400},
    "crowd-32": {"data": "crowd", "latent": 32, "steps": 400},
    "scenes-32": {"data": "scenes", "latent": 32, "steps": 400},
    "scenes-48": {"data": "scenes", "latent": 48, "steps": 400},
}


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
            "spread": spread,
            "spread_of_best_four": best,
            "noise_of_one_seed": noise,
            "ratio": spread / noise,
            "ratio_of_best_four": best / noise,
            "cpu_seconds": seconds,
            "ratio_per_root_cpu_minute": spread / noise / np.sqrt(seconds / 60),
            "ratio_of_best_four_per_root_cpu_minute": best / noise / np.sqrt(seconds / 60),
            "mean_by_design": [float(x) for x in logs.mean(axis=1)],
        }
    return found


def _spread(means: Any, noise: float) -> float:
    """Return the standard deviation of designs without the noise left in means over seeds."""
    return float(np.sqrt(max(0.0, means.var(ddof=1) - noise**2 / SEEDS)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="train nothing")
    given = parser.parse_args()
    lines = RESULTS / "task_pilot.jsonl"
    cells = [
        {"task": task, "design": design, "seed": seed}
        for seed in range(SEEDS)
        for task in given.tasks
        for design in range(DESIGNS)
    ]
    if not given.report:
        finish(lines, cells, train, given.workers)
    text = json.dumps({"tasks": summary(results(lines)), "provenance": provenance()}, indent=1)
    lines.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
