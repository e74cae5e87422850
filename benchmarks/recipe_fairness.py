"""Is the recipe fair to every switch? See :mod:`studies.proxy_validation.fairness`.

    python benchmarks/recipe_fairness.py fair --seeds 6 --workers 2   # trains what is missing
    python benchmarks/recipe_fairness.py fair --report                # reports what is there

Trains 24 networks at half and at double the recipe's rate, seed by seed; both rates of a seed
share pictures, noise, times, order and initial weights. Twins of width 8 at 24 pixels, 400 steps of
batch 8: about a minute a run and three quarters of an hour a seed on one core. Stop it at any time;
the same command goes on. Writes

    benchmarks/results/recipe_fairness/RECIPE.jsonl   one line per run
    benchmarks/results/recipe_fairness/RECIPE.json    interactions, with date, machine and versions

tests/studies/proxy_validation/test_fairness.py reads the result of the recipe in use and fails
where it is missing, of another recipe, or above the gate.
"""

import argparse
import dataclasses
import json
from pathlib import Path

from cells import Cell, finish, results

from proxies.recipe import Budget
from proxies.recipes import RECIPES
from proxies.trainer import train_run
from proxies.training_run import TrainingSettings
from search_space.provenance import provenance
from studies.proxy_validation.fairness import (
    DOUBLE,
    HALF,
    NETWORKS,
    failures,
    interactions,
    network,
    recipe_digest,
)

RESULTS = Path(__file__).parent / "results" / "recipe_fairness"
CURVES = Path(__file__).parents[1] / "tests" / "proxies" / "golden_curves.json"
STEPS, WIDTH, LATENT = 400, 8, 24


def train(cell: Cell) -> Cell:
    """Train one network at one rate and seed."""
    recipe = RECIPES[cell["recipe"]]
    recipe = dataclasses.replace(recipe, learning_rate=recipe.learning_rate * cell["rate"])
    settings = TrainingSettings(Budget(steps=STEPS), width=WIDTH, latent=LATENT, recipe=recipe)
    score = train_run(settings.run(network(cell["network"]), seed=cell["seed"]))
    return {"loss": score.value if score.ok else None, "seconds": score.fidelity.seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="train nothing")
    given = parser.parse_args()
    curves = json.loads(CURVES.read_text(encoding="utf-8"))
    digest = recipe_digest(RECIPES[given.recipe], curves.get(given.recipe, ()))
    lines = RESULTS / f"{given.recipe}.jsonl"
    cells = [
        {"recipe": given.recipe, "digest": digest, "network": number, "rate": rate, "seed": seed}
        for seed in range(given.seeds)
        for number in range(NETWORKS)
        for rate in (HALF, DOUBLE)
    ]
    if not given.report:
        finish(lines, cells, train, given.workers)
    there = [one for one in results(lines) if one["digest"] == digest and one["loss"] is not None]
    found = interactions({(o["network"], o["rate"], o["seed"]): o["loss"] for o in there})
    report = {"recipe": given.recipe, "recipe_digest": digest, "steps": STEPS, "width": WIDTH}
    report |= {"latent": LATENT, **found}
    report["failures"] = failures(report, digest)
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**report, "provenance": provenance()}, indent=1)
    lines.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
