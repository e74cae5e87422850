"""Which sampler finds the front of the tabular benchmark in how many trials?

    python benchmarks/sampler_comparison.py              # what is missing; half an hour, 1 core
    python benchmarks/sampler_comparison.py --report     # reports what is there

Every study minimises loss and latency over the enumerated space of benchmarks/tabular (176,256
designs whose true front is known), from random starts: no named design is enqueued. A trial's loss
has the noise of one training seed; shares are of the hypervolume of the true losses of what was
tried, up to a tenth beyond the true front's own worst values. All samplers run through Optuna, in
memory, seeded by trial as studies are. Writes

    benchmarks/results/sampler_comparison/runs.jsonl    one line per run: the share after each trial
    benchmarks/results/sampler_comparison.json          the report

A run ends early when it has found the whole front. Stop it at any time: the same command goes on.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from benchmarks.front_area import area
from benchmarks.tabular.reader import read_designs, train
from search_space.presets import FAMILIES, walk_specs
from search_space.provenance import provenance
from search_space.space import OutsideSpace, SearchSpace
from studies.greybox.pool import PoolSize
from studies.greybox.proposal import Search
from studies.greybox.sampler import GreyboxSampler
from studies.greybox.switches import Switches
from studies.greybox.tabulated import Tabulated
from studies.samplers import SeededByTrial, make_sampler
from studies.sought import Sought

HERE = Path(__file__).parent
RUNS = HERE / "results" / "sampler_comparison" / "runs.jsonl"
REPORT = HERE / "results" / "sampler_comparison.json"
TABULAR = json.loads((HERE / "tabular" / "summary.json").read_text())
SEEDS = 10
TRIALS = {"greybox": 1000, "tpe": 700, "random": 700, "nsga2": 700}
ORDER = (("greybox", "tpe"), ("random", "nsga2"))  # the summary's first
SHOWN = (10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 700, 1000)
TARGET = 0.95
OBJECTIVES = ("proxy_loss", "latency_ms")
POOL = PoolSize(base=8192, fresh=1024, single=1024, moved=256, double=1024, crossed=1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    given = parser.parse_args()
    truth = Truth()
    done = read_runs()
    if not given.report:
        RUNS.parent.mkdir(parents=True, exist_ok=True)
        for name, seed in [(n, s) for names in ORDER for s in range(given.seeds) for n in names]:
            if (name, seed) not in done:
                done[name, seed] = run = truth.run(name, seed)
                with RUNS.open("a") as file:
                    file.write(json.dumps(run) + "\n")
                print(name, seed, trials_to(run["shares"]), run["shares"][-1], flush=True)
    REPORT.write_text(json.dumps(report(truth, list(done.values())), indent=1) + "\n")
    print(json.dumps(json.loads(REPORT.read_text())["summary"], indent=1))


def read_runs() -> dict[tuple[str, int], dict[str, Any]]:
    lines = RUNS.read_text().splitlines() if RUNS.exists() else []
    runs = [json.loads(line) for line in lines]
    return {(run["sampler"], run["seed"]): run for run in runs}


class Truth:
    """The enumerated space, its front, and studies over it."""

    def __init__(self) -> None:
        self.designs = read_designs()
        space = SearchSpace.load(TABULAR["space"]).fix(TABULAR["fixed"])
        self.space, self.switches = space, Switches.of(space)
        self.levels = np.stack([self._levels(i) for i in range(len(self.switches.names))], axis=1)
        self.names = ("latency_ms", "params", "macs")
        values = self.designs[list(self.names)].to_numpy(float)
        self.table = Tabulated(self.switches, self.names, self.levels, values)
        self.points = self.designs[["loss", "latency_ms"]].to_numpy(float)
        front = self.points[self.designs["on_front"].to_numpy()]
        self.reference = front.max(axis=0) + 0.1 * (front.max(axis=0) - front.min(axis=0))
        self.volume = area(front, self.reference)

    def _levels(self, axis: int) -> np.ndarray:
        name, values = self.switches.names[axis], self.switches.values[axis]
        column = self.designs[name]
        places = [json.dumps(value) for value in values]
        codes = np.array([places.index(c) if c in places else -9 for c in column.cat.categories])
        raw = column.cat.codes.to_numpy()
        return np.where(raw < 0, -1, codes[raw]).astype(np.int16)

    def run(self, name: str, seed: int) -> dict[str, Any]:
        """Run one study and return the share of the true front's hypervolume after each trial."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        study = optuna.create_study(directions=["minimize"] * 2, sampler=self._sampler(name, seed))
        rows: list[int] = []
        missing = set(np.flatnonzero(self.designs["on_front"]).tolist())

        def objective(trial: optuna.Trial) -> tuple[float, float]:
            asked: dict[str, Any] = {}
            self.suggest(trial, asked)
            row = int(self.table.index(self.switches.row(asked)[None])[0])
            rows.append(row)
            missing.discard(row)
            if not missing:
                study.stop()  # the whole front is found; nothing can change any more
            return train(self.designs, row, seed), float(self.points[row, 1])

        start = time.process_time()
        study.optimize(objective, n_trials=TRIALS[name])
        seconds = time.process_time() - start
        return {
            "sampler": name,
            "seed": seed,
            "shares": [round(share, 5) for share in self.shares(rows)],
            "rows": rows,
            "cpu_s_per_trial": round(seconds / len(rows), 4),
        }

    def suggest(self, trial: optuna.Trial, asked: dict[str, Any]) -> None:
        """Ask for what the space asks for, without building the design."""
        self.space.suggest(_Keeping(trial, asked))

    def _sampler(self, name: str, seed: int) -> SeededByTrial:
        if name != "greybox":
            return make_sampler(name, Sought(self.space, OBJECTIVES, seed=seed))
        search = Search(self.table, ("latency_ms",), seed=seed, size=POOL)
        return SeededByTrial(
            lambda trial: GreyboxSampler(search, OBJECTIVES, trial),
            seed,
            self.space.digest(),
        )

    def shares(self, rows: list[int]) -> list[float]:
        """Return the share of the true front's hypervolume after each trial."""
        found, best = [], np.empty((0, 2))
        volume = 0.0
        for row in rows:
            point = self.points[row]
            if not (best <= point).all(axis=1).any():
                best = np.concatenate([best[~(point <= best).all(axis=1)], point[None]])
                volume = area(best, self.reference)
            found.append(volume / self.volume)
        return found


class _Keeping:
    """Passes questions on to a trial and keeps the answers."""

    def __init__(self, trial: optuna.Trial, answers: dict[str, Any]) -> None:
        self.trial, self.answers = trial, answers

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        self.answers[name] = self.trial.suggest_int(name, low, high, step=step)
        return self.answers[name]

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None):
        self.answers[name] = self.trial.suggest_float(name, low, high, step=step)
        return self.answers[name]

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        self.answers[name] = self.trial.suggest_categorical(name, choices)
        return self.answers[name]


def share_at(run: dict[str, Any], trials: int) -> float:
    """The share after ``trials``; a run that found the whole front ended there."""
    return float(run["shares"][min(trials, len(run["shares"])) - 1])


def trials_to(shares: list[float], target: float = TARGET) -> int | None:
    """The number of trials after which ``target`` is reached, None where it is not."""
    return next((i + 1 for i, share in enumerate(shares) if share >= target), None)


def report(truth: Truth, runs: list[dict[str, Any]]) -> dict[str, Any]:
    by_name = {name: [r for r in runs if r["sampler"] == name] for name in TRIALS}
    by_name = {name: found for name, found in by_name.items() if found}
    reached = {name: to_target(name, found) for name, found in by_name.items()}
    last = by_name["greybox"]
    at_1000 = [share_at(run, 1000) for run in last]
    summary: dict[str, Any] = {
        "seeds": min(len(by_name[name]) for name in ORDER[0]),
        "seeds_by_sampler": {name: len(found) for name, found in by_name.items()},
        "designs": len(truth.designs),
        **{f"trials_to_95_{name}": found["median"] for name, found in reached.items()},
        "hypervolume_1000_greybox": float(np.mean(at_1000)),
        "trials_share": reached["greybox"]["median"] / reached["tpe"]["median"],
    }
    return {
        "summary": summary,
        "trials_to_95": reached,
        "hypervolume_1000_greybox_worst": float(min(at_1000)),
        "shares": {
            name: [
                {"trials": n, **interval([share_at(run, n) for run in found])}
                for n in SHOWN
                if n <= TRIALS[name]
            ]
            for name, found in by_name.items()
        },
        "cpu_s_per_trial": {
            name: float(np.median([run["cpu_s_per_trial"] for run in found]))
            for name, found in by_name.items()
        },
        "walk": walk_choices(truth, last),
        "reference": truth.reference.tolist(),
        "provenance": provenance("scikit-learn"),
    }


def to_target(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The median over seeds with its 95 % interval; a run that never came there counts as its
    length, so that medians are lower bounds where most did not."""
    reached = [trials_to(run["shares"]) for run in runs]
    counted = np.array([TRIALS[name] if n is None else n for n in reached])
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(counted, (4000, len(counted))), axis=1)
    return {
        "median": float(np.median(counted)),
        "low": float(np.quantile(medians, 0.025)),
        "high": float(np.quantile(medians, 0.975)),
        "by_seed": reached,
        "not_reached": sum(n is None for n in reached),
    }


def interval(values: list[float]) -> dict[str, float]:
    """Mean and 95 % interval of the mean, by resampling seeds."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (4000, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}


def walk_choices(truth: Truth, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How often the choices of the walk of family F stand on the front that a search found.

    A choice is the values that a step changes, of the axes that are searched.
    """
    steps, before = [], None
    for step, spec in walk_specs(FAMILIES["F"]).items():
        try:
            after = truth.space.params_of(spec)
        except OutsideSpace:
            before = None
            continue
        if before is not None:
            changed = {k: v for k, v in after.items() if before.get(k) != v}
            if changed:
                steps.append((step, changed))
        before = after
    fronts = [truth.levels[found_front(truth, run["rows"])] for run in runs]
    true = truth.levels[truth.designs["on_front"].to_numpy()]
    return [
        {
            "step": step,
            "choice": choice,
            "true_front_share": float(has(truth, true, choice).mean()),
            "searches_with_it_on_the_front": int(sum(has(truth, f, choice).any() for f in fronts)),
            "found_front_share": float(np.mean([has(truth, f, choice).mean() for f in fronts])),
        }
        for step, choice in steps
    ]


def found_front(truth: Truth, rows: list[int]) -> np.ndarray:
    """The designs on the front of the true losses of what was tried."""
    tried = np.unique(rows)
    points = truth.points[tried]
    kept = [i for i, p in enumerate(points) if not _dominated(points, p)]
    return tried[kept]


def _dominated(points: np.ndarray, point: np.ndarray) -> bool:
    return bool(((points <= point).all(axis=1) & (points < point).any(axis=1)).any())


def has(truth: Truth, levels: np.ndarray, choice: dict[str, Any]) -> np.ndarray:
    """Whether designs hold every value of a choice."""
    kept = np.ones(len(levels), bool)
    for name, value in choice.items():
        column = truth.switches.names.index(name)
        kept &= levels[:, column] == truth.switches.values[column].index(value)
    return kept


if __name__ == "__main__":
    main()
