"""The reconstruction of SnapGen's decoder trained whole, not its twin, by `walkbench train`.

    python benchmarks/decoder_training.py [--steps 300]

Exports `snapgen-decoder`, trains it on the shapes at 32 pixels against the best linear encoder of
8 × 8 patches, and evaluates the result on held-out pictures with `walkbench evaluate`. Writes
`results/decoder_training.json`, the curve of loss, PSNR and SSIM as `decoder_training_curve.csv`
and the last sample grid, pictures beside their reconstructions, as `decoder_training_grid.png`.
Takes three minutes of one CPU core. The run lies in `runs/decoder-training` and goes on from there.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from search_space.atomic import write_file
from search_space.provenance import provenance

RESULTS, RUN = Path(__file__).parent / "results", Path("runs/decoder-training")
SIDE, SHOWN = 32, 16


def walkbench(*words: object) -> Any:
    """Run a command as a user types it; return its JSON."""
    command = [sys.executable, "-m", "studies.cli", *map(str, words), "--format", "json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def settings(steps: int) -> list[str]:
    """Return what differs from the recipe of the export."""
    changed = {
        "data.picture": SIDE,
        "data.train_images": 2048,
        "data.validation_images": 128,
        "optimizer.learning_rate": 2e-3,
        "optimizer.warm_up": 20,
        "run.steps": steps,
        "run.batch": 16,
        "run.log_every": steps // 30,
        "run.validate_every": steps // 10,
        "run.sample_every": steps,
        "run.samples": SHOWN,
        "run.checkpoint_every": steps // 10,
    }
    return [word for key, value in changed.items() for word in ("--set", f"{key}={value}")]


def main() -> None:
    """Train, evaluate and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--note", default="", help="what else ran on the machine")
    given = parser.parse_args()
    if not RUN.exists():
        walkbench("export", "snapgen-decoder", "--to", RUN)
    row = walkbench("train", RUN, "--data", "shapes", *settings(given.steps))
    run = Path(row["folder"])
    figures = walkbench("evaluate", row["bundle"], "--real", "shapes", "--count", 256)
    result = {
        "decoder": "snapgen-decoder",
        "params": json.loads((RUN / "export.json").read_text())["params"],
        "picture": SIDE,
        "training": {key: row[key] for key in ("steps", "loss", "psnr", "ssim", "seconds")},
        "evaluated": {one["metric"]: [one["value"], one["stderr"]] for one in figures},
        "note": given.note,
        "provenance": provenance(),
    }
    write_file(RESULTS / "decoder_training.json", json.dumps(result, indent=1) + "\n")
    shutil.copyfile(run / "log.csv", RESULTS / "decoder_training_curve.csv")
    grid = run / "samples" / f"step-{row['steps']:08}.png"
    shutil.copyfile(grid, RESULTS / "decoder_training_grid.png")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
