"""Build the tabular benchmark: recorded training curves, and an enumerated space with its front.

    python benchmarks/tabular_benchmark.py            # about five minutes on one core

Writes into benchmarks/tabular/ (its README says what the columns mean, `reader.py` reads them)

    curves.parquet     every recorded run of the validation studies, a row per point of its curve
    designs.parquet    every design of a part of the space `pocket`: exact costs, estimated latency,
                       the surrogate's loss after 4,000 steps, whether it is on the front
    summary.json       the surrogate's error on designs that it had not seen, and the front's size

The surrogate is the mean of a Bayesian ridge, a Gaussian process and extremely randomised trees,
on switches and logarithms of costs, of the logarithm of the loss. A surrogate is smoother than
what it is fitted to, which would flatter searches: a fixed random field of three-way interactions,
of the size of the surrogate's own held-out error, is added to it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from latency_db.sources import source_of
from search_space.cost import cost
from search_space.enumerate import enumerate_designs
from search_space.provenance import provenance
from search_space.space import OutsideSpace, SearchSpace
from search_space.spec import UNetSpec
from studies.greybox.switches import INACTIVE, Switches

HERE = Path(__file__).parent
STUDIES = HERE / "results" / "proxy_validation"
OUT = HERE / "tabular"
DEVICE = "iPhone 15 Pro"
SPACE = "pocket"
# What the enumerated part leaves open is what the walk of family F decides, and the depths.
FIXED = {"sampler": "dense", "channels.0": 256, "channels.1": 512, "mid": True}
FIELD_SEED, FIELD_TRIPLES = 15, 24
MEASURES = ("latency_ms", "params", "macs")


def main() -> None:
    OUT.mkdir(exist_ok=True)
    curves = pd.DataFrame(curve_rows()).astype({"step": "int32", "steps": "int32", "seed": "int32"})
    curves.to_parquet(OUT / "curves.parquet", compression="zstd", index=False)
    space = SearchSpace.load(SPACE)
    learnt = Training.of(space, curves)
    designs, levels = enumerated(space)
    predicted = learnt.predict(levels, designs[list(MEASURES)].to_numpy(float))
    designs["loss"] = np.exp(predicted + field(space, levels) * learnt.residual_sd).round(6)
    designs["on_front"] = on_front(designs["loss"].to_numpy(), designs["latency_ms"].to_numpy())
    designs.to_parquet(OUT / "designs.parquet", compression="zstd", index=False)
    summary = {
        "summary": {
            "designs": len(designs),
            "front": int(designs["on_front"].sum()),
            "curves": int(curves.groupby(["study", "kind", "design", "seed"]).ngroups),
            "points": len(curves),
            "fitted_to": len(learnt.loss),
            **learnt.held_out(),
        },
        "space": SPACE,
        "space_digest": space.digest(),
        "fixed": FIXED,
        "device": DEVICE,
        "provenance": provenance("scikit-learn", "pandas", "pyarrow"),
    }
    (OUT / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary["summary"], indent=1))


def curve_rows() -> Iterator[dict[str, Any]]:
    """Yield every point of every recorded run, its design's costs beside it."""
    source, space = source_of(DEVICE), SearchSpace.load(SPACE)
    for folder in sorted(path for path in STUDIES.iterdir() if path.is_dir()):
        plan = json.loads((folder / "plan.json").read_text())
        specs = {d["label"]: UNetSpec.from_dict(d["spec"]) for d in plan["designs"]}
        specs |= {d["label"]: UNetSpec.from_dict(d["spec"]) for d in plan["walk"]}
        known = {label: design_columns(spec, source, space) for label, spec in specs.items()}
        runs = map(json.loads, (folder / "runs.jsonl").read_text().splitlines())
        for run in runs:
            if folder.name == "half_4000" and run["kind"] == "long":
                continue  # taken over from long_4000
            yield from run_points(folder.name, run, known[run["label"]])


def run_points(study: str, run: dict[str, Any], design: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the points of one run; the last one has the error of its mean over pictures."""
    score, fidelity = run["score"], run["score"]["fidelity"]
    end = (fidelity["steps"], fidelity["seconds"], score["value"], score["stderr"])
    for step, seconds, loss, stderr in [*((*point, None) for point in score["curve"]), end]:
        yield {
            "study": study,
            "kind": run["kind"],
            "design": run["label"],
            "seed": run["seed"],
            "steps": run["steps"],
            "latent": fidelity["latent"],
            "batch": fidelity["batch"],
            "width": fidelity["width"],
            "step": step,
            "seconds": seconds,
            "loss": loss,
            "stderr": stderr,
            "failed": score["failed"],
            **design,
        }


def design_columns(spec: UNetSpec, source: Any, space: SearchSpace) -> dict[str, Any]:
    priced = cost(spec)
    try:
        axes = json.dumps(space.params_of(spec))
    except OutsideSpace:
        axes = None
    return {
        "digest": spec.digest(),
        "latency_ms": source.predict(spec).ms,
        "params": priced.params,
        "macs": priced.macs,
        "axes": axes,
        "spec": json.dumps(spec.to_dict()),
    }


def enumerated(space: SearchSpace) -> tuple[pd.DataFrame, np.ndarray]:
    """Return every design of the part, one row each, and its switches in the whole space."""
    source, switches = source_of(DEVICE), Switches.of(space)
    levels, measured = [], []
    for params, spec in enumerate_designs(space.fix(FIXED)):
        priced = cost(spec)
        levels.append(switches.row(params))
        measured.append((source.predict(spec).ms, priced.params, priced.macs))
    table = np.stack(levels)
    columns = {
        name: pd.Categorical.from_codes(table[:, i], [json.dumps(v) for v in values])
        for i, (name, values) in enumerate(zip(switches.names, switches.values, strict=True))
    }
    figures = np.array(measured)
    designs = pd.DataFrame(columns)
    designs["latency_ms"] = figures[:, 0]
    designs["params"], designs["macs"] = figures[:, 1].astype(int), figures[:, 2].astype(int)
    return designs, table


@dataclass
class Training:
    """What the surrogate is fitted to: one row per recorded design."""

    switches: Switches
    levels: np.ndarray
    measured: np.ndarray
    loss: np.ndarray  # logarithm of the loss after 4,000 steps, mean over seeds
    seed_sd: float  # of one run's logarithm

    @classmethod
    def of(cls, space: SearchSpace, curves: pd.DataFrame) -> "Training":
        ends = curves[(curves.study == "long_4000") & (curves.kind == "long")]
        ends = ends[ends.step == ends.steps]
        switches = Switches.of(space)
        groups = [group for _, group in ends.groupby("design", sort=True)]
        logs = [np.log(group["loss"].to_numpy()) for group in groups]
        return cls(
            switches,
            np.stack([switches.row(json.loads(g["axes"].iloc[0])) for g in groups]),
            np.array([g[list(MEASURES)].iloc[0].to_numpy(float) for g in groups]),
            np.array([log.mean() for log in logs]),
            float(np.sqrt(np.mean([log.var(ddof=1) for log in logs]))),
        )

    def _inputs(self, levels: np.ndarray, measured: np.ndarray) -> np.ndarray:
        """One-hot switches that vary among the recorded designs, and standardised log costs."""
        logs = np.log(self.measured)
        costs = (np.log(measured) - logs.mean(axis=0)) / logs.std(axis=0)
        sizes = self.switches.sizes
        hot = [(a, v) for a in range(len(sizes)) for v in range(INACTIVE, sizes[a])]
        hot = [(a, v) for a, v in hot if 0 < (self.levels[:, a] == v).sum() < len(self.levels)]
        return np.column_stack([*(levels[:, a] == v for a, v in hot), costs])

    def predict(self, levels: np.ndarray, measured: np.ndarray) -> np.ndarray:
        """Return the logarithm of the loss, (designs,)."""
        here, there = self._inputs(self.levels, self.measured), self._inputs(levels, measured)
        return np.mean([m.fit(here, self.loss).predict(there) for m in members()], axis=0)

    @property
    def left_out(self) -> np.ndarray:
        """The prediction of each recorded design by the others."""
        here = self._inputs(self.levels, self.measured)
        each = [cross_val_predict(m, here, self.loss, cv=LeaveOneOut()) for m in members()]
        return np.mean(each, axis=0)

    @property
    def residual_sd(self) -> float:
        """The surrogate's own error: what is left of the held-out error beyond the seeds' noise."""
        squared = np.mean((self.left_out - self.loss) ** 2) - self.seed_sd**2 / 2  # two seeds
        return float(np.sqrt(max(squared, 0.0)))

    def held_out(self) -> dict[str, float]:
        predicted, loss = self.left_out, self.loss
        errors = predicted - loss
        return {
            "held_out_spearman": float(spearmanr(predicted, loss)[0]),
            "held_out_r2": float(1 - (errors**2).sum() / ((loss - loss.mean()) ** 2).sum()),
            "held_out_log_rmse": float(np.sqrt((errors**2).mean())),
            "seed_log_sd": self.seed_sd,
            "field_log_sd": self.residual_sd,
        }


def members() -> tuple[Any, ...]:
    kernel = ConstantKernel() * RBF(3.0) + WhiteKernel(0.1)
    return (
        BayesianRidge(),
        GaussianProcessRegressor(kernel, normalize_y=True, random_state=0),
        ExtraTreesRegressor(300, min_samples_leaf=2, random_state=0, n_jobs=1),
    )


def field(space: SearchSpace, levels: np.ndarray) -> np.ndarray:
    """A random field of three-way interactions of unit variance, (designs,)."""
    rng = np.random.default_rng(FIELD_SEED)
    sizes = np.array(Switches.of(space).sizes) + 1
    total = np.zeros(len(levels))
    vary = np.flatnonzero((levels != levels[0]).any(axis=0))
    for _ in range(FIELD_TRIPLES):
        a, b, c = rng.choice(vary, 3, replace=False)
        effects = rng.normal(size=(sizes[a], sizes[b], sizes[c]))
        total += effects[levels[:, a], levels[:, b], levels[:, c]]
    return (total - total.mean()) / total.std()


def on_front(loss: np.ndarray, latency: np.ndarray) -> np.ndarray:
    order = np.lexsort((latency, loss))
    best = np.minimum.accumulate(latency[order])
    found = np.zeros(len(loss), bool)
    found[order] = latency[order] < np.concatenate([[np.inf], best[:-1]])
    return found


if __name__ == "__main__":
    main()
