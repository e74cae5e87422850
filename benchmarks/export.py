"""What an export costs: time and memory of the whole command, and of importing the carried class.

Writes benchmarks/results/export.json. Expected on one core of a 2020s server: `walkbench export
snapgen-t2i` at fp32 (1.5 GB) in under 20 s and under 2.5 times its weights of memory, each in a
process of its own. About two minutes and 2 GB of disk in all.

    .venv/bin/python benchmarks/export.py

- seconds, peak: of `walkbench export` as a whole process, imports included; peak resident memory
  from the system's accounting of the process.
- imports: fresh processes with the file of the class alone, outside of Walkbench. Beyond torch it
  needs two base classes of diffusers, which are timed apart: they bring torch's compiler and, where
  it is installed, transformers along.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from search_space.diffusers_bridge.carried import CARRIED, carried_source
from search_space.exported import STOCK_FOLDER, STOCK_WEIGHTS
from search_space.provenance import provenance

RESULT = Path(__file__).parent / "results" / "export.json"
DESIGN = "snapgen-t2i"
TARGETS = {"seconds": 20.0, "peak_over_weights": 2.5, "import_seconds": 1.0}
IMPORTS = """
import time
start = time.perf_counter()
import torch
at_torch = time.perf_counter()
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
at_bases = time.perf_counter()
import walkbench_unet
end = time.perf_counter()
print(at_torch - start, at_bases - at_torch, end - at_bases)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--design", default=DESIGN)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--note", help="what else ran, for instance")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    exports = [exported(options.design) for _ in range(options.rounds)]
    imports = [imported() for _ in range(options.rounds)]
    found = summary(exports, imports)
    content = {
        "summary": {**found, "reached": reached(found)},
        "targets": TARGETS,
        "design": options.design,
        "rounds": options.rounds,
        "exports": exports,
        "imports": imports,
        "load_average_at_start": round(load, 2),
        "note": options.note,
        "provenance": provenance("diffusers", "transformers", "peft"),
    }
    options.out.write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(content["summary"], indent=2))


def exported(design: str) -> dict[str, float]:
    """Export once, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "out"
        words = [sys.executable, "-m", "studies.cli", "export", design, "--to", str(folder)]
        began = time.perf_counter()
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
        weights = (folder / STOCK_FOLDER / STOCK_WEIGHTS).stat().st_size
    peak = used.ru_maxrss * 1024  # Linux counts in KiB
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_bytes": peak,
        "weight_bytes": weights,
        "peak_over_weights": round(peak / weights, 3),
    }


def imported() -> dict[str, float]:
    """Import torch, diffusers' base classes and the class, in a process without Walkbench."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / f"{CARRIED}.py").write_text(carried_source())
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-c", IMPORTS],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    names = ("torch_seconds", "bases_seconds", "class_seconds")
    return dict(zip(names, (round(float(x), 3) for x in done.stdout.split()), strict=True))


def summary(exports: list[dict[str, float]], imports: list[dict[str, float]]) -> dict[str, Any]:
    """Medians; ``import_seconds`` is all that importing the class adds to importing torch."""
    found = {
        name: statistics.median(row[name] for row in exports)
        for name in ("seconds", "cpu_seconds", "peak_over_weights")
    }
    for name in ("torch_seconds", "bases_seconds", "class_seconds"):
        found[name] = statistics.median(row[name] for row in imports)
    beyond = (row["bases_seconds"] + row["class_seconds"] for row in imports)
    return {**found, "import_seconds": round(statistics.median(beyond), 3)}


def reached(found: dict[str, Any]) -> dict[str, bool]:
    return {name: found[name] <= target for name, target in TARGETS.items()}


if __name__ == "__main__":
    main()
