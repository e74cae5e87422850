"""Write `studies/measured_training.json`, the second leg of the walk as measured on our own task.

    python benchmarks/training_walk.py

Reads `results/distillation.json` and `results/few_step.json`; trains nothing. Changes of the
loss are relative and paired over seeds, with 95 % intervals.
"""

import json
import math
import statistics
from pathlib import Path
from typing import Any

from scipy.stats import t as student_t

from studies.training_walk import STEPS
from studies.verdict import verdict

RESULTS = Path(__file__).parent / "results"
TARGET = Path(__file__).parents[1] / "studies" / "measured_training.json"
LEVELS = {  # step → its level and that of the step before
    "+ output KD": ("output:constant", "none"),
    "+ feature KD": ("both:constant", "output:constant"),
    "+ timestep-aware scaling": ("both:full", "both:constant"),
}
DRAWN = {"snapgen": (("plain",), 28), "8 steps": ((), 8), "4 steps": ((), 4)}


def read(name: str) -> dict[str, Any]:
    """Return a result, empty where it is not there yet."""
    path = RESULTS / name
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def change(losses: dict[str, dict[str, float]], after: str, before: str) -> dict[str, Any]:
    """Return the relative change of the loss with its interval over seeds, and the verdict."""
    one, two = losses.get(after, {}), losses.get(before, {})
    seeds = sorted(one.keys() & two.keys())
    if len(seeds) < 2:
        return {}
    found = [one[seed] / two[seed] - 1 for seed in seeds]
    mean, error = statistics.mean(found), statistics.stdev(found) / math.sqrt(len(found))
    reach = float(student_t.ppf(0.975, len(found) - 1)) * error
    low, high = mean - reach, mean + reach
    word = verdict(low, high, len(seeds))
    return {
        "loss_delta": mean, "loss_low": low, "loss_high": high, "verdict": word,
        "seeds": len(seeds),
    }  # fmt: skip


def main() -> None:
    distilled, few = read("distillation.json"), read("few_step.json")
    steps: dict[str, dict[str, Any]] = {}
    for step in STEPS:
        if step in LEVELS:
            steps[step] = change(distilled.get("losses", {}), *LEVELS[step])
        if step in DRAWN and few:
            methods, count = DRAWN[step]
            keys = [f"{method}:{count}" for method in methods or (few["method"],)]
            held = few["by_method_and_steps"].get(keys[0])
            if held is not None:
                strict = held["strict"]
                own = {"strict": strict["mean"], "strict_stderr": strict["stderr"]}
                steps[step] = {**steps.get(step, {}), **own, "seeds": held["seeds"]}
    made = {"steps": {step: found for step, found in steps.items() if found}}
    sources = {"from": ["benchmarks/distillation.py", "benchmarks/few_step.py"]}
    TARGET.write_text(json.dumps({**sources, **made}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
