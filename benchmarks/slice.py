"""The whole way on two cores: a design from a study's front, trained, drawn by a stock pipeline.

    python benchmarks/slice.py                 # goes on where it was stopped; some hours
    python benchmarks/slice.py --steps 6000    # train further than before, then evaluate again

From the repository's root. It searches benchmarks/slice/study.toml, exports the design of the front
with the fewest multiply-adds, writes its recipe, and trains it by `walkbench train` on captioned
shapes of 32 pixels, 500 steps at a time. After each portion diffusers' own StableDiffusionPipeline
draws for held-out prompts; training ends when the strict composition score of those is above
0.8. Then a thousand other pictures are drawn and judged, which nothing was chosen by.

Writes benchmarks/results/slice.json (strict_score, params, train_seconds, pipeline_class …),
slice_curve.csv and slice_grid.png beside it.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from proxies.bundle_training.logs import read_log
from proxies.evaluation.pipeline import load_pipeline
from proxies.samples import save_grid
from proxies.train_config import FILE, config_for, render
from search_space.exported import read_spec
from search_space.provenance import provenance

HERE = Path(__file__).parent
RUN, RESULTS = Path("runs/slice"), HERE / "results"
STUDY, STORAGE = HERE / "slice" / "study.toml", "sqlite:///runs/slice/study.db"
EXPORT, TRAINED = RUN / "export", RUN / "run"
TARGET, PORTION, MOST = 0.8, 500, 8000
CHECKED, JUDGED = 120, 1000  # pictures on the way, and at the end
STEPS, GUIDANCE = 20, 3.0
RECIPE = {
    "data.train_images": 16384,
    "optimizer.name": "muon",
    "optimizer.learning_rate": 1.2e-2,
    "optimizer.warm_up": 50,
    "optimizer.cooldown": 0.0,
    "optimizer.beta2": 0.95,
    "optimizer.ema_sigma": 0.1,
    "run.steps": 4000,
    "run.batch": 16,
    "run.log_every": 25,
    "run.validate_every": 250,
    "run.sample_every": 500,
    "run.samples": 32,
    "run.checkpoint_every": 50,
}


def walkbench(*words: str) -> str:
    command = [sys.executable, "-m", "studies.cli", *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def export() -> None:
    """Search, and export the front's design with the fewest multiply-adds."""
    if (EXPORT / FILE).exists():
        return
    RUN.mkdir(parents=True, exist_ok=True)
    walkbench("study", "run", str(STUDY))
    front = json.loads(
        walkbench("study", "best", "slice", "--storage", STORAGE, "--format", "json")
    )
    chosen = min(front, key=lambda design: design["macs"])
    where = ("--study", "slice", "--storage", STORAGE, "--to", str(EXPORT), "--overwrite")
    walkbench("export", str(chosen["trial"]), *where)
    spec = read_spec(EXPORT)
    recipe = config_for(spec).but(RECIPE)
    (EXPORT / FILE).write_text(render(recipe, spec, "slice", str(EXPORT)), encoding="utf-8")


def train(steps: int) -> dict[str, Any]:
    words = ("train", str(EXPORT), "--data", "shapes", "--to", str(TRAINED))
    found: dict[str, Any] = json.loads(walkbench(*words, "--steps", str(steps), "--format", "json"))
    return found


def judge(count: int, seed: int, step: int) -> dict[str, dict[str, Any]]:
    """Draw ``count`` pictures by the stock pipeline and return the figures by metric."""
    drawn = RUN / f"drawn-{step}-{seed}"
    words = ("evaluate", str(TRAINED / "bundle"), "--prompts", "shapes", "--count", str(count))
    how = ("--guidance", str(GUIDANCE), "--steps", str(STEPS), "--seed", str(seed))
    text = walkbench(*words, *how, "--to", str(drawn), "--format", "json")
    found = json.loads(text)
    rows = found["figures"] if isinstance(found, dict) else found
    return {row["metric"]: row for row in rows}


def until_target(steps: int | None) -> list[dict[str, Any]]:
    """Train in portions until the score is reached, or to ``steps``; return the scores."""
    path = RUN / "checks.json"
    checks: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    done = max((int(row["step"]) for row in read_log(TRAINED)), default=0)
    for goal in range(PORTION, (steps or MOST) + 1, PORTION):
        if goal < done or any(check["step"] == goal for check in checks):
            continue
        made = train(goal)
        score = judge(CHECKED, 1, made["steps"])["composition strict"]["value"]
        checks.append({"step": made["steps"], "strict": score})
        path.write_text(json.dumps(checks, indent=1))
        print(json.dumps(checks[-1]), flush=True)
        if score > TARGET and steps is None:
            break
    return checks


def grid(step: int, seed: int) -> None:
    drawn = sorted((RUN / f"drawn-{step}-{seed}").rglob("*.png"))[:64]
    save_grid(RESULTS / "slice_grid.png", np.stack([np.asarray(Image.open(p)) for p in drawn]), 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, help="train to here and no further")
    parser.add_argument("--note", help="what the result should say, such as what ran beside it")
    given = parser.parse_args()
    export()
    checks = until_target(given.steps)
    log = read_log(TRAINED)
    bundle = TRAINED / "bundle"
    facts = json.loads((bundle / "export.json").read_text())
    step = int(log[-1]["step"])
    figures = judge(JUDGED, 2, step)
    strict = figures["composition strict"]
    result = {
        "strict_score": strict["value"],
        "strict_stderr": strict["stderr"],
        "target": TARGET,
        "reached": strict["value"] > TARGET,
        "params": facts["params"],
        "macs": facts["macs"],
        "digest": facts["digest"],
        "train_seconds": float(log[-1]["seconds"]),
        "steps": step,
        "batch": RECIPE["run.batch"],
        "validation_loss": next(
            float(row["validation_loss"]) for row in reversed(log) if row["validation_loss"]
        ),
        "pipeline_class": type(load_pipeline(bundle)).__name__,
        "network_class": facts["class"],
        "sampler_steps": STEPS,
        "guidance": GUIDANCE,
        "on_the_way": checks,
        "figures": list(figures.values()),
        "note": given.note,
        "provenance": provenance("diffusers", "transformers", "accelerate"),
    }
    (RESULTS / "slice.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    with (RESULTS / "slice_curve.csv").open("w", newline="") as file:
        names = ("step", "loss", "validation_loss", "seconds")
        writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(log)
    grid(step, 2)
    print(json.dumps({key: result[key] for key in ("strict_score", "steps", "train_seconds")}))


if __name__ == "__main__":
    main()
