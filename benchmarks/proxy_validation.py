"""Does the proxy rank designs? The validation studies at CPU size, resumable, and their reports.

    python benchmarks/proxy_validation.py half_4000            # trains the rest, then reports
    python benchmarks/proxy_validation.py half_4000 --report   # reports what is there

Five studies. Two on 48 designs of the space `pocket`, twelve in each of four bands of estimated
latency, every sampler with every width of the first stage equally often; twins of width 16, trained
by the recipe `fair` on the task that benchmarks/task_pilot.py chose, the last quarter annealed:

    fair        half the resolution, twice the pictures a step, against 1,600 steps: the primary
    fair_tenth  the long runs of fair against a tenth of their steps at full size

docs/proxies.md says what they are asked, written before the first long run. About nine core-hours a
seed at 32 pixels. Three by the recipe `adamw` on the same 32 designs, twins of width 8:

    long_800    80 against 800 steps at the default rate, and the design walk of family M beside it;
                about half an hour a seed on two cores
    long_4000   400 against 4,000 steps at twice the rate; about an hour and a half a seed
    half_4000   the long runs of long_4000 against short ones on the same pictures at half the
                resolution, twice as many a step: 480 steps take a CPU as long as 400 in full

Rates, width and lengths were chosen on other designs (`pocket` seed 77). The second study was
planned after the first was read: 80 steps had turned out to end on the first plateau. So was the
third after the first seed of the second, whose long runs it takes; its size was set by its cost,
and but for a pilot of that very size nothing else was trained on these designs. Writes

    benchmarks/results/proxy_validation/STUDY/       plan, one line per run, baselines
    benchmarks/results/proxy_validation/STUDY.json   its report
    benchmarks/results/proxy_validation.json         the report of the headline study instead
    benchmarks/results/proxy_validation/STUDY.html   its plots (not kept in the repository)
    studies/measured_walk.json                       which steps of the walk change the loss

A report also times steps of both kinds in turn, on one design of each band (`timing`): the seconds
of the runs themselves depend on what else the machine did.

Runs come seed by seed over all designs. Stop it at any time: the same command goes on, and the
report counts the seeds that are finished for all designs.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from task_pilot import TASKS

from proxies.data.source import DataSource
from proxies.recipe import Budget, Recipe
from proxies.recipes import FAIR
from proxies.threads import cpu_threads
from proxies.trainer import Trainer
from proxies.training_run import TrainingSettings
from search_space.provenance import provenance
from studies.cli.phases import Phases
from studies.figures.proxy_validation import write_validation
from studies.proxy_validation.baselines import kept_baselines
from studies.proxy_validation.plan import ValidationPlan, keep_plan, make_plan
from studies.proxy_validation.report import report
from studies.proxy_validation.reuse import take_long_runs
from studies.proxy_validation.runs import PlannedRun, results_of, train

RESULTS = Path(__file__).parent / "results"
WALK = Path(__file__).parent.parent / "studies" / "measured_walk.json"
LONG_4000: dict[str, Any] = {
    "long": 4000,
    "seeds": 4,
    "marks": (0.05, 0.1, 0.2, 0.35, 0.5, 0.75),
    "recipe": Recipe(learning_rate=6e-3, warm_up=50, betas=(0.9, 0.95), validation_images=512),
}
FAIR_1600: dict[str, Any] = {
    "designs": 48,
    "balance": True,
    "width": 16,
    "long": 1600,
    "seeds": 3,
    "marks": (0.1, 0.2, 0.35, 0.5, 0.75),
    "recipe": FAIR,
}
STUDIES: dict[str, dict[str, Any]] = {
    "long_800": {
        "short": 80,
        "long": 800,
        "seeds": 6,
        "walk": "M",
        "walk_steps": 300,
        "marks": (0.1, 0.3, 0.6),
        "recipe": Recipe(validation_images=512),
    },
    "long_4000": {**LONG_4000, "short": 400},
    "half_4000": {**LONG_4000, "short": 480, "short_latent": 12, "short_batch": 16},
    "fair": {**FAIR_1600, "short": 320, "short_batch": 16},
    "fair_tenth": {**FAIR_1600, "short": 160},
}
LONG_FROM = {"half_4000": "long_4000", "fair_tenth": "fair"}
HEADLINE = "half_4000"
ROUNDS, STEPS = 8, 5  # of timing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--report", action="store_true", help="train nothing")
    given = parser.parse_args()
    folder = RESULTS / "proxy_validation" / given.study
    plan = plan_of(given.study)
    if given.study in LONG_FROM:
        take_long_runs(plan, folder, folder.with_name(LONG_FROM[given.study]))
    keep_plan(plan, folder)
    with Phases(Console(stderr=True)) as progress:
        baselines = kept_baselines(plan, folder, progress.phase("baselines"))
        if not given.report:
            train(plan, folder, given.workers, progress.phase("training steps"), keep=reference)
    found = report(plan, results_of(plan, folder), baselines)
    found["timing"] = timing(plan)
    headline = given.study == HEADLINE
    path = RESULTS / "proxy_validation.json" if headline else folder.with_suffix(".json")
    path.write_text(json.dumps({**found, "provenance": provenance()}, indent=1) + "\n")
    write_validation(found, folder.with_suffix(".html"))
    if found["walk"] is not None:
        walk = {k: v for k, v in found["walk"].items() if k != "loss_by_seed"}
        WALK.write_text(json.dumps({**walk, "provenance": provenance()}, indent=1) + "\n")
    print(json.dumps(found["timing"]))
    print(json.dumps({k: found["summary"][k] for k in list(found["summary"])[:14]}, indent=1))


def reference(run: PlannedRun) -> bool:
    """Whether the trained twin of ``run`` is kept: to distil from, and to inherit weights from."""
    return run.kind == "long" and run.seed == 0


def plan_of(study: str) -> ValidationPlan:
    """Return the plan of ``study``; those by the recipe `fair` are on the task that was chosen."""
    settings = {"designs": 32, "width": 8, **STUDIES[study]}
    if settings.get("recipe") is FAIR:
        chosen = json.loads((RESULTS / "task_pilot.json").read_text(encoding="utf-8"))["chosen"]
        if chosen is None:
            raise SystemExit("no task is chosen yet; finish benchmarks/task_pilot.py first")
        task = TASKS[chosen]
        settings |= {"data": DataSource(data=task["data"]), "latent": task["latent"]}
        if "short_batch" in settings:
            settings["short_latent"] = task["latent"] // 2
    return make_plan("pocket", **settings)


def timing(plan: ValidationPlan) -> dict[str, Any]:
    """Return how long a short run takes of a long one's time, from steps of both in turn."""
    chosen = {design.stratum: design for design in plan.designs}.values()
    ratios = []
    with cpu_threads(1):
        for design in chosen:
            sides = (plan.short_side, plan.short_recipe), (plan.latent, plan.recipe)
            short, long = (
                Trainer(
                    TrainingSettings(
                        Budget(steps=(ROUNDS + 1) * STEPS),
                        width=plan.width,
                        latent=side,
                        recipe=recipe,
                    ).run(design.spec)
                )
                for side, recipe in sides
            )
            for number in range(ROUNDS + 1):
                spent = []
                for trainer in (short, long):
                    before = time.process_time()
                    trainer.advance(Budget(steps=trainer.step + STEPS))
                    spent.append(time.process_time() - before)
                if number:  # the first round warms up
                    ratios.append(spent[0] / spent[1])
    step = float(np.median(ratios))
    return {
        "designs": [design.label for design in chosen],
        "step_ratio": step,
        "step_ratio_quartiles": [float(q) for q in np.quantile(ratios, (0.25, 0.75))],
        "run_ratio": step * plan.short / plan.long,
    }


if __name__ == "__main__":
    main()
