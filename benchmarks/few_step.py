"""Four distilled steps against four and 28 plain ones, by strict score, attributes and residual.

    python benchmarks/few_step.py            # trains what is missing, then reports
    python benchmarks/few_step.py --report   # reports what is there

A base model is trained per seed, drawn from with Euler steps, then taught few steps; the student
draws by re-noising. Stopped at any time, the same command goes on. Writes

    benchmarks/results/few_step/cells.jsonl   one line per model, sampler and number of steps
    benchmarks/results/few_step.json          means over seeds with standard errors
"""

import argparse
import dataclasses
import json
import math
import statistics
from pathlib import Path

from cells import Cell, finish, results
from distillation import STUDENT, kid_of

from proxies.callbacks import Checkpoints
from proxies.composition import composition
from proxies.distillation.sampler import STEPS, renoised
from proxies.objectives import Adversarial, DistributionMatching
from proxies.objectives.few_step import FewStep
from proxies.recipe import Budget, Recipe
from proxies.samples import draw_samples, save_grid
from proxies.threads import cpu_threads
from proxies.trainer import Trainer
from proxies.training_run import TrainingRun, TrainingSettings
from search_space.provenance import provenance

HERE = Path(__file__).parent / "results"
RESULTS, LINES = HERE / "few_step.json", HERE / "few_step" / "cells.jsonl"
WORK = Path("runs/few_step")
LATENT, WIDTH = 24, 8
BASE_STEPS, STUDENT_STEPS, SEEDS, PICTURES = 500, 80, 3, 64
BASE = Recipe(
    batch=8, learning_rate=1.2e-2, warm_up=20, betas=(0.9, 0.95), cooldown=0.25,
    optimizer="muon", validation_images=256,
)  # fmt: skip
METHODS: dict[str, type[FewStep]] = {
    "adversarial": Adversarial,
    "distribution-matching": DistributionMatching,
}


def base_run(seed: int) -> TrainingRun:
    """Return the run of the base model."""
    settings = TrainingSettings(Budget(steps=BASE_STEPS), width=WIDTH, latent=LATENT, recipe=BASE)
    return settings.run(STUDENT, seed=seed)


def base(seed: int) -> tuple[Trainer, str]:
    """Return the trained base model and its checkpoint."""
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / f"base-{seed}.safetensors"
    trainer = Trainer(base_run(seed), [Checkpoints(path)])
    trainer.train()
    return trainer, str(path)


def student(method: str, seed: int, start: str) -> Trainer:
    """Return the few-step student of the base model ``start``, trained."""
    objective = METHODS[method](start, start=start, teacher_steps=4)
    recipe = dataclasses.replace(
        BASE, objective=objective, optimizer="adamw", learning_rate=5e-4, warm_up=10
    )
    budget = Budget(steps=STUDENT_STEPS)
    settings = TrainingSettings(budget, width=WIDTH, latent=LATENT, recipe=recipe)
    path = WORK / f"{method}-{seed}.safetensors"
    trainer = Trainer(settings.run(STUDENT, seed=seed), [Checkpoints(path)])
    trainer.train()
    return trainer


def measure(cell: Cell) -> Cell:
    """Draw with one model at one number of steps; train what is missing."""
    with cpu_threads(1):
        trainer, path = base(cell["seed"])
        sampler = {}
        if cell["method"] != "plain":
            trainer, sampler = student(cell["method"], cell["seed"], path), {"sampler": renoised}
        samples = draw_samples(trainer, PICTURES, steps=cell["steps"], **sampler)
    if cell["seed"] == 0 and cell["steps"] in (4, 28):
        grid = HERE / "few_step" / f"{cell['method']}-{cell['steps']}.png"
        grid.parent.mkdir(parents=True, exist_ok=True)
        save_grid(grid, samples.images[:32])
    found = composition(samples)
    return {
        "strict": found.strict, "loose": found.loose, "shapes": found.shapes,
        "color": found.color, "count": found.count, "residual": found.residual,
        "kid": kid_of(samples), "ended": trainer.ended or None,
    }  # fmt: skip


def report() -> None:
    """Write the JSON of what is there."""
    held: dict[str, list[Cell]] = {}
    for cell in results(LINES):
        held.setdefault(f"{cell['method']}:{cell['steps']}", []).append(cell)
    table = {
        key: {
            what: {"mean": statistics.mean(values), "stderr": _stderr(values)}
            for what in ("strict", "loose", "shapes", "color", "count", "residual", "kid")
            if (values := [c[what] for c in cells if c[what] is not None])
        }
        | {"seeds": len(cells)}
        for key, cells in held.items()
    }

    def strict(key: str, field: str = "mean") -> float | None:
        found = table.get(key)
        return found["strict"][field] if found else None

    distilled = [f"{method}:4" for method in METHODS if f"{method}:4" in table]
    best = max(distilled, key=lambda key: strict(key) or 0.0, default="")
    found = {
        "strict_4_distilled": strict(best), "strict_4_plain": strict("plain:4"),
        "strict_28_plain": strict("plain:28"), "stderr": strict(best, "stderr"),
        "seeds": table[best]["seeds"] if best else 0, "method": best.partition(":")[0] or None,
        "by_method_and_steps": table, "design": STUDENT.digest(), "latent": LATENT, "width": WIDTH,
        "base_steps": BASE_STEPS, "student_steps": STUDENT_STEPS, "pictures": PICTURES,
        "note": "other work ran beside", "provenance": provenance(),
    }  # fmt: skip
    text = json.dumps(found, indent=1)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    print(text)


def _stderr(values: list[float]) -> float | None:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", action="store_true", help="train nothing")
    given = parser.parse_args()
    cells: list[Cell] = [
        {"method": method, "steps": steps, "seed": seed}
        for seed in range(SEEDS)
        for method in ("plain", *METHODS)
        for steps in STEPS
        if method == "plain" or steps <= 8
    ]
    if not given.report:
        finish(LINES, cells, measure, 1)
    report()


if __name__ == "__main__":
    main()
