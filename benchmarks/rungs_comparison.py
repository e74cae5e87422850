"""Do rungs find the front that full training of every design finds, and at what share of its time?

    python benchmarks/rungs_comparison.py                # ours, then the report; a minute, 1 core
    NEPS=/path/to/neps/bin/python SYNETUNE=/path/to/synetune/bin/python \\
        python benchmarks/rungs_comparison.py            # the others too, each in its environment

NePS and Syne Tune pin libraries that Walkbench needs newer, so each lives in an environment of its
own, outside of this one:

    python -m venv neps && neps/bin/pip install neural-pipeline-search==0.17.0 pyarrow
    python -m venv synetune && synetune/bin/pip install "syne-tune[moo]==0.16.0" pyarrow

Nothing trains: losses and seconds are those of the recorded curves (benchmarks/tabular), 32 designs
of `pocket` trained 4,000 steps under two seeds each. A simulated run draws one of the two for every
design, and one worker trains, going on where a design was left. Objectives are loss and latency.
Counted is the hypervolume of the designs trained to the end, at their mean loss over seeds, over
that of all 32, up to a tenth beyond the true front's own worst values; training seconds are over
those of training all 32 to the end.

Ours: rungs of 200, 800 and 4,000 steps with the shares that studies have by default, designs in
random order, what climbs decided by `studies.agenda` as in a study. NePS `primo` and Syne Tune's
MO-ASHA choose a design by its place in the order of latency, from 200 steps on, with reduction by
3; losses between recorded steps are interpolated, and what was trained once is not paid again.
Both sample with repetition: `primo`, once it models, comes back to one design and ends after 45
evaluations.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.front_area import area
from benchmarks.tabular.reader import read_curves

HERE = Path(__file__).parent
RUNS = HERE / "results" / "rungs_comparison" / "runs.jsonl"
REPORT = HERE / "results" / "rungs_comparison.json"
SEEDS = 10
RUNGS = (200, 800, 4000)
FULL, FIRST, REDUCTION = 4000, 200, 3
LONGEST = 0.4  # of the training time of everything, to which the others run
MOST_TRIALS = {"neps": 45, "synetune": 300}  # repeated ones included, which cost no training here
SHOWN = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
ELSEWHERE = {"neps": "NEPS", "synetune": "SYNETUNE"}  # method → variable with its Python
TARGET_HYPERVOLUME, TARGET_TRAINING = 0.98, 0.20


class Recorded:
    """The recorded designs in the order of their latency."""

    def __init__(self) -> None:
        curves = read_curves()
        curves = curves[(curves["study"] == "long_4000") & (curves["kind"] == "long")]
        table = curves.pivot_table(index="design", columns=["seed", "step"], values="loss")
        spent = curves.pivot_table(index="design", columns=["seed", "step"], values="seconds")
        latency = curves.groupby("design")["latency_ms"].first().sort_values()
        self.designs, self.latency = list(latency.index), latency.to_numpy(float)
        self.steps = np.array(sorted(curves["step"].unique()), float)
        shape = (len(self.designs), curves["seed"].nunique(), len(self.steps))
        self.loss = table.loc[self.designs].to_numpy(float).reshape(shape)
        self.seconds = spent.loc[self.designs].to_numpy(float).reshape(shape)
        self.true = self.loss[:, :, -1].mean(axis=1)
        self.full_seconds = float(self.seconds[:, :, -1].mean(axis=1).sum())
        points = np.column_stack([self.true, self.latency])
        front = points[[not _is_dominated(points, p) for p in points]]
        self.reference = front.max(axis=0) + 0.1 * (front.max(axis=0) - front.min(axis=0))
        self.points, self.volume, self.front = points, area(front, self.reference), len(front)

    def share(self, trained: set[int]) -> float:
        """The hypervolume of designs trained to the end, over that of all."""
        return area(self.points[sorted(trained)], self.reference) / self.volume


def _is_dominated(points: np.ndarray, point: np.ndarray) -> bool:
    return bool(((points <= point).all(axis=1) & (points < point).any(axis=1)).any())


class Training:
    """One worker of one run: what it has trained, and the hypervolume after each full training."""

    def __init__(self, recorded: Recorded, seed: int) -> None:
        self.recorded, self.rng = recorded, np.random.default_rng(seed)
        number, seeds, _ = recorded.loss.shape
        self.seed_of = self.rng.integers(seeds, size=number)
        self.steps = dict.fromkeys(range(number), 0.0)
        self.spent, self.ended = 0.0, set[int]()
        self.trace: list[tuple[float, float]] = []

    @property
    def time_share(self) -> float:
        return self.spent / self.recorded.full_seconds

    def train(self, design: int, steps: float) -> tuple[float, float]:
        """Train a design on to ``steps``; return its loss there and its latency."""
        here = self.recorded
        seconds, losses = (a[design, self.seed_of[design]] for a in (here.seconds, here.loss))
        at = np.concatenate([[0.0], here.steps])
        clock = np.concatenate([[0.0], seconds])
        if steps > self.steps[design]:
            before, after = np.interp([self.steps[design], steps], at, clock)
            self.spent += after - before
            self.steps[design] = steps
        if steps >= FULL and design not in self.ended:
            self.ended.add(design)
            self.trace.append((self.time_share, here.share(self.ended)))
        loss = np.exp(np.interp(np.log(steps), np.log(here.steps), np.log(losses)))
        return float(loss), float(here.latency[design])


def ours(training: Training, seed: int) -> None:
    """A study with rungs: designs in random order, climbs as the agenda of studies says."""
    from proxies.recipe import Budget
    from proxies.training_run import TrainingSettings
    from studies.agenda import agenda
    from studies.records import TrialRecord
    from studies.rungs import Rung

    rungs = [Rung(TrainingSettings(Budget(steps))) for steps in RUNGS]
    objectives = ("proxy_loss", "latency_ms")
    waiting = list(training.rng.permutation(len(training.recorded.designs)))
    records: list[TrialRecord] = []

    def add(design: int, rung: int) -> None:
        values = dict(zip(objectives, training.train(design, RUNGS[rung]), strict=True))
        number = len(records)
        records.append(
            TrialRecord(
                number, "COMPLETE", digest=str(design), feasible=True, rung=rung, values=values
            )
        )

    while True:
        climbing = agenda(records, rungs, objectives, is_complete=not waiting)
        if climbing:
            add(int(climbing[0].trial.digest or 0), climbing[0].rung)
        elif waiting:
            add(int(waiting.pop()), 0)
        else:
            return


def neps(training: Training, seed: int) -> None:
    """NePS `primo`, asked and told, without prior knowledge."""
    import random

    import neps as library
    import torch

    for seeded in (random.seed, np.random.seed, torch.manual_seed):
        seeded(seed)

    last = len(training.recorded.designs) - 1

    class Space(library.PipelineSpace):
        design = library.Integer(lower=0, upper=last)
        steps = library.IntegerFidelity(lower=FIRST, upper=FULL)

    from neps.optimizers.algorithms import primo
    from neps.space.neps_spaces.neps_space import convert_neps_to_classic_search_space

    space = convert_neps_to_classic_search_space(Space())
    asked = library.AskAndTell(
        primo(space, eta=REDUCTION, prior_centers={}, prior_confidences={}, initial_design_size=5)
    )
    for _ in range(MOST_TRIALS["neps"]):
        trial = asked.ask()
        loss, latency = training.train(int(trial.config["design"]), float(trial.config["steps"]))
        asked.tell(trial.metadata.id, {"objective_to_minimize": [loss, latency]})
        if training.time_share >= LONGEST:
            return


def synetune(training: Training, seed: int) -> None:
    """Syne Tune's MO-ASHA: random designs, stopped or trained on at each of its rungs."""
    import random

    from syne_tune.backend.trial_status import Trial
    from syne_tune.config_space import randint
    from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

    for seeded in (random.seed, np.random.seed):
        seeded(seed)
    import datetime

    scheduler = MOASHA(
        {"design": randint(0, len(training.recorded.designs) - 1)},
        metrics=["loss", "latency"],
        time_attr="steps",
        max_t=FULL,
        grace_period=FIRST,
        reduction_factor=REDUCTION,
        random_seed=seed,
    )
    levels = [FIRST * REDUCTION**i for i in range(8) if FIRST * REDUCTION**i < FULL] + [FULL]
    for number in range(MOST_TRIALS["synetune"]):
        config = scheduler.suggest().config
        trial = Trial(number, config, datetime.datetime.now())
        scheduler.on_trial_add(trial)
        for steps in levels:
            loss, latency = training.train(int(config["design"]), float(steps))
            result = {"steps": steps, "loss": loss, "latency": latency}
            if training.time_share >= LONGEST:
                return
            if steps == FULL:
                scheduler.on_trial_complete(trial, result)
            elif scheduler.on_trial_result(trial, result) != "CONTINUE":
                break


METHODS: dict[str, Callable[[Training, int], None]] = {
    "ours": ours,
    "neps": neps,
    "synetune": synetune,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", choices=list(METHODS), help="only run this, in this Python")
    given = parser.parse_args()
    if given.method:
        run(given.method)
        return
    run("ours")
    for method, variable in ELSEWHERE.items():
        if python := os.environ.get(variable):
            subprocess.run(
                [python, "-m", "benchmarks.rungs_comparison", "--method", method],
                cwd=HERE.parent,
                check=True,
            )
        elif not any(run["method"] == method for run in read_runs()):
            sys.exit(f"{method} has no runs yet: {variable} names the Python that has it")
    write_report()


def run(method: str) -> None:
    """Run every seed of one method that is missing."""
    warnings.simplefilter("ignore")
    recorded, done = Recorded(), {(one["method"], one["seed"]) for one in read_runs()}
    RUNS.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(SEEDS):
        if (method, seed) in done:
            continue
        training = Training(recorded, seed)
        METHODS[method](training, seed)
        line = {
            "method": method,
            "seed": seed,
            "training_share": round(training.time_share, 5),
            "trace": [[round(t, 5), round(v, 5)] for t, v in training.trace],
            "version": version_of(method),
        }
        with RUNS.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(method, seed, line["training_share"], line["trace"][-1:], flush=True)


def version_of(method: str) -> str:
    from importlib.metadata import version

    return version(
        {"ours": "walkbench", "neps": "neural-pipeline-search", "synetune": "syne-tune"}[method]
    )


def read_runs() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RUNS.read_text().splitlines()] if RUNS.exists() else []


def share_at(run: dict[str, Any], training_share: float) -> float:
    """The hypervolume's share once so much training was spent; 0 before the first full one."""
    return max((v for t, v in run["trace"] if t <= training_share + 1e-9), default=0.0)


def write_report() -> None:
    from search_space.provenance import provenance

    by_method = {name: [r for r in read_runs() if r["method"] == name] for name in METHODS}
    recorded, mine = Recorded(), by_method["ours"]
    ends = {run["seed"]: run["training_share"] for run in mine}
    at_end = {
        name: [share_at(run, ends[run["seed"]]) for run in found]
        for name, found in by_method.items()
    }
    training = [run["training_share"] for run in mine]
    summary = {
        "seeds": len(mine),
        "designs": len(recorded.designs),
        "hypervolume_share": float(np.mean(at_end["ours"])),
        "training_share": float(np.mean(training)),
        "neps_hypervolume_share": float(np.mean(at_end["neps"])),
        "synetune_hypervolume_share": float(np.mean(at_end["synetune"])),
    }
    reached = summary["hypervolume_share"] >= TARGET_HYPERVOLUME
    cheap = summary["training_share"] <= TARGET_TRAINING
    report = {
        "summary": summary,
        "target": {
            "hypervolume_share": TARGET_HYPERVOLUME,
            "training_share": TARGET_TRAINING,
            "reached": bool(reached and cheap),
        },
        "at_the_time_ours_ended": {name: interval(found) for name, found in at_end.items()},
        "training_share": interval(training),
        "by_training_share": {
            name: [
                {"training_share": share, **interval([share_at(run, share) for run in found])}
                for share in SHOWN
            ]
            for name, found in by_method.items()
        },
        "seeds": {name: len(found) for name, found in by_method.items()},
        "rungs": RUNGS,
        "designs_on_the_true_front": recorded.front,
        "full_training_seconds": round(recorded.full_seconds),
        "versions": {name: found[0]["version"] for name, found in by_method.items()},
        "provenance": provenance("pandas", "pyarrow"),
    }
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({"summary": summary, "target": report["target"]}, indent=1))


def interval(values: list[float]) -> dict[str, float]:
    """Mean and 95 % interval of the mean, by resampling seeds."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (4000, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
