"""How much common random numbers cut the variance of a difference between two candidates.

    python benchmarks/crn_variance.py          # one thread, about 3 minutes on a quiet core

Twins of neighbouring steps of the walk are trained for a while; then the difference of their
validation losses is estimated again and again from N samples, drawn in five ways:

    fresh                own pictures, noise and independent times for each candidate
    fresh noise          the same pictures for both, own noise and independent times
    stratified           own pictures and noise, one time from each of N equal shares
    common               the same pictures, noise and independent times for both
    common, stratified   the same for both, one time from each share: what a Score does

Every draw is a picture, a time and noise; each of the N pictures meets each round another share of
the times. All candidates are evaluated on all draws, so that every variance is read from one table
of losses (candidate, round, picture): within pictures, within shares, or in all; of one candidate's
loss or of the difference. Ratios are of variances, against `fresh` unless they say otherwise. The
interval resamples rounds. The standard error of a mean over N is the square root of variance / N.

Writes benchmarks/results/crn_variance.json.
"""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from proxies.data.dataset import shapes
from proxies.flow_matching import logit_normal
from proxies.recipe import Budget
from proxies.trainer import Trainer
from proxies.training_run import TrainingSettings
from proxies.validation import ValidationSet, validation_losses
from search_space.initialise import stream
from search_space.presets import named_spec
from search_space.provenance import provenance

RESULT = Path(__file__).parent / "results" / "crn_variance.json"
SPECS = ("M/expanded-separable", "M/ffn-3", "M/mqa", "M/early-condition", "M/qk-norm-rope")
TARGET = 50.0
RESAMPLES = 2000
SEED = 77  # of the draws: not that of any validation set

Table = NDArray[np.float64]  # losses (rounds, pictures), or their difference


def draws(rounds: int, pictures: int, latent: int) -> list[tuple[ValidationSet, list[int]]]:
    """Return for each round the samples in the order of the pictures, and the share of each."""
    generator = stream(SEED, "crn")
    x0, text, labels = shapes("validation", pictures, latent).batch(torch.arange(pictures))
    out = []
    for _ in range(rounds):
        share = torch.randperm(pictures, generator=generator)
        offset = torch.rand(pictures, generator=generator)
        times = logit_normal(((share + offset) / pictures).clamp(1e-6, 1 - 1e-6))
        noise = torch.randn(x0.shape, generator=generator)
        out.append((ValidationSet(x0, text, labels, noise, times), share.tolist()))
    return out


def trained_losses(
    name: str, drawn: list[Any], given: argparse.Namespace
) -> list[tuple[Table, float]]:
    """Train the twin of ``name``; return losses by (round, picture) and score at each mark."""
    budget = Budget(steps=max(given.steps))
    settings = TrainingSettings(budget, width=given.width, latent=given.latent)
    trainer, out = Trainer(settings.run(named_spec(name))), []
    for steps in given.steps:
        trainer.advance(Budget(steps=steps))
        score = trainer.score()
        assert score.ok, score.failed
        with trainer.averaged() as learner:
            losses = [validation_losses(learner, validation) for validation, _ in drawn]
        out.append((np.array(losses), score.value))
    return out


def by_share(table: Table, shares: NDArray[np.int64]) -> Table:
    """Reorder each round from pictures to shares of time."""
    out = np.empty_like(table)
    np.put_along_axis(out, shares, table, axis=1)
    return out


def variances(
    a: Table, b: Table, shares: NDArray[np.int64], resampled: bool = False
) -> dict[str, float]:
    """Return N × the variance of the estimated difference under each way of drawing.

    ``resampled`` rounds repeat themselves, which makes K of them vary by (K − 1) / K too little.
    """
    both, difference, rounds = (a, b), a - b, len(a)
    scale = rounds / (rounds - 1) if resampled else 1.0

    def within(table: Table) -> float:
        """Mean over columns of the variance over rounds."""
        return scale * float(table.var(axis=0, ddof=1).mean())

    return {
        "fresh": sum(float(x.var(ddof=1)) for x in both),
        "fresh_noise": sum(within(x) for x in both),
        "stratified": sum(within(by_share(x, shares)) for x in both),
        "common": float(difference.var(ddof=1)),
        "common_same_pictures": within(difference),
        "common_stratified": within(by_share(difference, shares)),
    }


def ratios(found: dict[str, float]) -> dict[str, float]:
    fresh, ours = found["fresh"], found["common_stratified"]
    return {
        "common_and_stratified": fresh / ours,
        "common_alone": fresh / found["common"],
        "stratified_alone": fresh / found["stratified"],
        "stratified_on_top_of_common": found["common"] / ours,
        # pictures fixed: only what noise and times add
        "noise_and_times_common": found["fresh_noise"] / found["common_same_pictures"],
        "against_fresh_noise": found["fresh_noise"] / ours,
    }


def compare(
    trained: dict[str, tuple[Table, float]], shares: NDArray[np.int64]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a row per pair of neighbours, and the geometric means over pairs."""
    pairs = list(itertools.pairwise(trained))
    tables = {name: table for name, (table, _) in trained.items()}
    rounds, pictures = shares.shape
    found = [ratios(variances(tables[a], tables[b], shares)) for a, b in pairs]
    generator, resampled = np.random.default_rng(0), []
    for _ in range(RESAMPLES):  # rounds, the same ones for every pair
        k = generator.integers(rounds, size=rounds)
        resampled.append(
            [ratios(variances(tables[a][k], tables[b][k], shares[k], True)) for a, b in pairs]
        )
    rows = []
    for i, (a, b) in enumerate(pairs):
        spread = variances(tables[a], tables[b], shares)
        rows.append(
            {
                "a": a,
                "b": b,
                "loss_a": trained[a][1],
                "loss_b": trained[b][1],
                "difference": float((tables[a] - tables[b]).mean()),
                "correlation": float(np.corrcoef(tables[a].ravel(), tables[b].ravel())[0, 1]),
                "stderr": {name: (value / pictures) ** 0.5 for name, value in spread.items()},
                "ratios": {
                    name: interval(value, [r[i][name] for r in resampled])
                    for name, value in found[i].items()
                },
            }
        )
    means = {
        name: interval(
            mean([f[name] for f in found]), [mean([p[name] for p in r]) for r in resampled]
        )
        for name in found[0]
    }
    return rows, means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--specs", nargs="+", default=list(SPECS))
    parser.add_argument("--steps", type=int, nargs="+", default=[40, 120])
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--latent", type=int, default=24)
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    drawn = draws(given.rounds, given.pictures, given.latent)
    shares = np.array([share for _, share in drawn])
    trained = {}
    for name in given.specs:
        trained[name] = trained_losses(name, drawn, given)
        print(name, *(f"{score:.4f}" for _, score in trained[name]), flush=True)
    rows, by_steps = [], {}
    for i, steps in enumerate(given.steps):
        found, means = compare({name: marks[i] for name, marks in trained.items()}, shares)
        rows += [{"steps": steps, **row} for row in found]
        by_steps[str(steps)] = means
    last = [row["ratios"] for row in rows if row["steps"] == given.steps[-1]]
    least = {
        name: min(ratio[name]["value"] for ratio in last)
        for name in ("common_and_stratified", "common_alone", "against_fresh_noise")
    }
    summary = {
        "pairs": len(given.specs) - 1,
        "samples": given.pictures,
        "rounds": given.rounds,
        "steps": given.steps[-1],
        "geometric_mean": by_steps[str(given.steps[-1])],
        "geometric_mean_by_steps": by_steps,
        "least_of_pairs": least,
        "target": TARGET,
        "reached": {name: value >= TARGET for name, value in least.items()},
    }
    settings = {"specs": given.specs, "width": given.width, "latent": given.latent, "seed": SEED}
    result = {"summary": summary, "rows": rows, "provenance": {**provenance(), **settings}}
    given.result.parent.mkdir(parents=True, exist_ok=True)
    given.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=1))


def mean(values: list[float]) -> float:
    """The geometric mean: ratios multiply."""
    return float(np.exp(np.mean(np.log(values))))


def interval(value: float, resampled: list[float]) -> dict[str, float]:
    low, high = np.quantile(resampled, (0.025, 0.975))
    return {"value": value, "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
