"""What a study costs beside training and beside Optuna: per trial, and per look at a large study.

    python benchmarks/study_overhead.py          # about five minutes; nothing else should run

- own_ms_warm, own_ms_cold: what Walkbench itself does in one cost-only trial, Optuna's trial and
  storage replaced by nothing: a design whose blocks were priced before, and the first designs of a
  process
- loop_ratio: a cost-only study against an Optuna study of an empty objective that asks for the same
  axes, random sampler, SQLite, in turns
- front_100k_s: front and state of a study of 100,000 trials, read from SQLite
- two_workers_speedup: trials per second of two processes against one, each trial training a twin

Writes benchmarks/results/study_overhead.json.
"""

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna

from latency_db.sources import source_of
from search_space.provenance import provenance
from search_space.sample import RandomValues
from search_space.space import SearchSpace
from studies.config import StudyConfig, parse_config
from studies.objective import Objective
from studies.runner import run_study

RESULT = Path(__file__).parent / "results" / "study_overhead.json"
DEVICE = "iPhone 15 Pro"
WARM_UP, WARM, COLD, LOOP, ROUNDS = 3000, 500, 40, 100, 5
CONFIG = """
study = {{name = "{name}", trials = {trials}, sampler = "random"}}
space = {{name = "{space}"}}
objectives = {{minimise = ["params", "latency_ms"]}}
budgets = {{macs = 1e15}}
device = {{name = "iPhone 15 Pro"}}
enqueue = {{designs = []}}
"""
TRAINING = """
study = {{name = "train", trials = {trials}, sampler = "random"}}
space = {{name = "pocket"}}
objectives = {{minimise = ["proxy_loss", "latency_ms"]}}
device = {{name = "iPhone 15 Pro"}}
proxy = {{steps = 40, width = 8, batch = 8}}
enqueue = {{designs = []}}
"""


class NoTrial:
    """Answers at random, and stores nothing: what is left is Walkbench's own time."""

    _trial_id = 0

    def __init__(self, source: random.Random) -> None:
        values = RandomValues(source)
        self.suggest_int, self.suggest_float = values.suggest_int, values.suggest_float
        self.suggest_categorical = values.suggest_categorical
        self.user_attrs: dict[str, Any] = {}
        self.storage = self

    def set_user_attr(self, key: str, value: Any) -> None:
        self.user_attrs[key] = value

    def set_constraint(self, key: str, value: float) -> None: ...

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None: ...


def main() -> None:
    found: dict[str, Any] = {}
    found["own_ms_cold"] = in_a_fresh_process("cold")
    found["own_ms_warm"] = in_a_fresh_process("warm")
    found["loop"] = loop()
    found["front_100k"] = large_study()
    found["two_workers"] = two_workers()
    summary = {
        "own_ms_warm": found["own_ms_warm"],
        "own_ms_cold": found["own_ms_cold"],
        "loop_ratio": found["loop"]["ratio"],
        "front_100k_s": found["front_100k"]["front_s"],
        "two_workers_speedup": found["two_workers"]["speedup"],
    }
    report = {"summary": summary, **found, "provenance": provenance("sqlalchemy")}
    RESULT.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


def in_a_fresh_process(what: str) -> float:
    done = subprocess.run(
        [sys.executable, __file__, what], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def own_ms(what: str) -> float:
    """The median milliseconds of a trial, after or before blocks are known."""
    space = "pocket" if what == "warm" else "snapgen"
    config = parse_config(CONFIG.format(name="own", trials=1, space=space))
    objective = Objective(config, None, source_of(DEVICE), None)
    source = random.Random(0)
    for _ in range(WARM_UP if what == "warm" else 0):
        objective(NoTrial(source))
    spent = []
    for _ in range(WARM if what == "warm" else COLD):
        trial = NoTrial(source)
        start = time.process_time()
        objective(trial)
        spent.append(time.process_time() - start)
    return 1000 * statistics.median(spent)


def loop() -> dict[str, Any]:
    """Both loops in turn, each on a file of its own; the ratio of their medians."""
    config = parse_config(CONFIG.format(name="loop", trials=LOOP, space="pocket"))
    latency = source_of(DEVICE)
    ours, empty = [], []
    with tempfile.TemporaryDirectory() as folder:
        timed_study(config, latency, Path(folder) / "warm.db")
        for n in range(ROUNDS):
            ours.append(timed_study(config, latency, Path(folder) / f"ours{n}.db"))
            empty.append(timed_empty(config.space, Path(folder) / f"empty{n}.db"))
    return {
        "trials": LOOP,
        "ours_ms": [1000 * t / LOOP for t in ours],
        "empty_ms": [1000 * t / LOOP for t in empty],
        "ratio": statistics.median(ours) / statistics.median(empty),
    }


def timed_study(config: StudyConfig, latency: Any, path: Path) -> float:
    start = time.perf_counter()
    run_study(config, storage=str(path), latency=latency)
    return time.perf_counter() - start


def timed_empty(space: SearchSpace, path: Path) -> float:
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        for axis, bounds in space.axes:
            bounds.suggest(trial, axis.name)
        return 1.0, 1.0

    start = time.perf_counter()
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(
        storage=storage, directions=["minimize"] * 2, sampler=sampler, study_name="empty"
    )
    for _ in range(LOOP):
        study.optimize(objective, n_trials=1)
    return time.perf_counter() - start


def large_study(trials: int = 100_000) -> dict[str, Any]:
    """Write a study's trials again and again as rows of SQLite; time what a person asks of it."""
    from benchmarks.large_storage import multiply

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.db"
        config = parse_config(CONFIG.format(name="large", trials=LOOP, space="pocket"))
        run_study(config, storage=str(path), latency=source_of(DEVICE))
        multiply(path, trials)
        times = {}
        for name, command in (("status", "status"), ("front", "best")):
            start = time.perf_counter()
            words = ["study", command, "large", "--storage", str(path), "--format", "json"]
            subprocess.run(
                [sys.executable, "-m", "studies.cli", *words], check=True, capture_output=True
            )
            times[f"{name}_s"] = time.perf_counter() - start
    return {"trials": trials, **times}


def two_workers(trials: int = 16) -> dict[str, Any]:
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "train.toml"
        config.write_text(TRAINING.format(trials=trials))
        for workers in (1, 2):
            command = [sys.executable, "-m", "studies.cli", "study", "run", str(config)]
            storage = ["--storage", f"{folder}/workers{workers}.db"]
            start = time.perf_counter()
            started = [
                subprocess.Popen([*command, *storage], stderr=subprocess.DEVNULL)
                for _ in range(workers)
            ]
            for process in started:
                process.wait()
            seconds[workers] = time.perf_counter() - start
    return {"trials": trials, "seconds": seconds, "speedup": seconds[1] / seconds[2]}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(own_ms(sys.argv[1]))
    else:
        main()
