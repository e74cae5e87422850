"""Does a teacher help, does full S beat constant weights, and do ranks survive distillation?

    python benchmarks/distillation.py            # trains what is missing, then reports
    python benchmarks/distillation.py --report   # reports what is there

A teacher of width 12 is trained once; students of width 8 see the same shapes, noise and times with
and without it, for equal steps. All networks have two stages and read 16 pixels, so that a step
takes some 30 ms of one core: small, to be finished at all. Stopped at any time, the same command
goes on. Writes

    benchmarks/results/distillation/cells.jsonl   one line per run
    benchmarks/results/distillation.json          gains with 95 % intervals over seeds, ranks

`kd_gain_pct` is by how much the validation loss (of the data alone) falls with both terms and full
S, `full_s_gain_pct` by how much further than with constant weights; `…_low_pct` are lower ends of
paired 95 % intervals. `rank_spearman` compares designs trained plainly and with a teacher, and
`rank_few_spearman` with those distilled to four steps, by the distance of what they draw.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import statistics
import time
from itertools import combinations
from tempfile import TemporaryDirectory

import numpy as np
from cells import Cell, finish, results
from scipy.stats import t as student_t

from latency_db.agreement import spearman
from proxies.callbacks import Checkpoints
from proxies.data.dataset import shapes
from proxies.distances import kid
from proxies.distillation.sampler import renoised
from proxies.feature_spaces import feature_space
from proxies.objectives import Adversarial, Distillation, FlowMatching
from proxies.recipe import Budget, Recipe
from proxies.samples import Samples, draw_samples
from proxies.threads import cpu_threads
from proxies.trainer import Trainer, train_run
from proxies.training_run import TrainingRun, TrainingSettings
from search_space.provenance import provenance
from search_space.spec import Context, Conv, Mid, Path, Site, Stage, UNetSpec

HERE = pathlib.Path(__file__).parent / "results"
RESULTS, LINES = HERE / "distillation.json", HERE / "distillation" / "cells.jsonl"
WORK = pathlib.Path("runs/distillation")  # the teacher and its answers, made where missing
LATENT, WIDTH, TEACHER_WIDTH = 16, 8, 12
STEPS, TEACHER_STEPS, FEW_STEPS, PICTURES = 150, 500, 50, 128
SEEDS, DESIGNS, RANK_SEEDS = 3, 8, 2
SPACE = "random-conv"  # of the distance between the students' and real pictures
ARMS = ("none", "output:full", "feature:full", "both:full", "both:constant", "output:constant")
RECIPE = Recipe(
    batch=8, learning_rate=1.2e-2, warm_up=20, betas=(0.9, 0.95), cooldown=0.25,
    optimizer="muon", validation_images=256,
)  # fmt: skip


def network(
    depth: int = 1,
    conv: str = "dense",
    second: int = 512,
    sites: int = 1,
    ff_ratio: float = 4.0,
    attends: bool = True,
    mid: int = 0,
    kv_heads: int | None = None,
) -> UNetSpec:
    """Return a network of two stages, transformers in the lower one."""
    plain = Path((Site(),) * sites)
    lower = Path((Site(depth),) * sites, attends, True)
    heads, convolution = second // 64, Conv(conv)
    stages = (
        Stage(256, 4, 64, plain, plain, kv_heads=4, conv=convolution),
        Stage(
            second, heads, 64, lower, lower, kv_heads=kv_heads or heads, conv=convolution,
            ff_ratio=ff_ratio,
        ),
    )  # fmt: skip
    return UNetSpec(stages, Mid(depth=mid), time_width=512, context=Context(768, 77))


STUDENT, TEACHER = network(), network(depth=2, sites=2)
DESIGN_SET = (
    STUDENT,
    network(depth=2),
    network(conv="separable"),
    network(second=384),
    network(second=768),
    network(ff_ratio=2.0),
    network(attends=False),
    network(mid=1, kv_heads=1),
)


def run_of(network: UNetSpec, steps: int, width: int, seed: int, **changes: object) -> TrainingRun:
    """Return a run of ``network`` by the recipe with ``changes``."""
    recipe = dataclasses.replace(RECIPE, **changes)
    settings = TrainingSettings(Budget(steps=steps), width=width, latent=LATENT, recipe=recipe)
    return settings.run(network, seed=seed)


def trained(path: pathlib.Path, run: TrainingRun) -> str:
    """Train ``run`` to the checkpoint ``path`` unless it is there; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        partial = path.with_suffix(".partial")
        train_run(run, [Checkpoints(partial)])
        partial.rename(path)
    return str(path)


def teacher() -> str:
    """Return the teacher's checkpoint."""
    run = run_of(TEACHER, TEACHER_STEPS, TEACHER_WIDTH, seed=1000)
    return trained(WORK / "teacher.safetensors", run)


def train(cell: Cell) -> Cell:
    """Train one student."""
    level, seed = cell["level"], cell["seed"]
    design = STUDENT if cell["design"] is None else DESIGN_SET[cell["design"]]
    with cpu_threads(1):
        if level == "few":
            return _few(cell, design)
        objective = FlowMatching()
        if level != "none":
            objective = Distillation(teacher(), level=level, cache=str(WORK / "answers"))
        run = run_of(design, STEPS, WIDTH, seed, objective=objective)
        keeps = level == "none" and cell["design"] is not None  # a few-step student begins there
        score = train_run(run, [Checkpoints(_plain(cell))] if keeps else [])
    return {"loss": score.value if score.ok else None, "seconds": score.fidelity.seconds}


def kid_of(drawn: Samples) -> float:
    """Return the distance of drawn pictures from as many real ones of other prompts; noisy."""
    count, size = len(drawn.images), int(drawn.images.shape[1])
    features = feature_space(SPACE).features
    real = shapes("validation", 2 * count, size).images[count:]
    return kid(features(Samples(real, ())), features(drawn))


def _plain(cell: Cell) -> pathlib.Path:
    return WORK / f"design-{cell['design']}-{cell['seed']}.safetensors"


def _few(cell: Cell, design: UNetSpec) -> Cell:
    """Distil a plainly trained design to four steps; its loss is the KID of what it draws."""
    start = trained(_plain(cell), run_of(design, STEPS, WIDTH, cell["seed"]))
    objective = Adversarial(teacher(), start=start, cache=str(WORK / "answers"))
    few = {"objective": objective, "optimizer": "adamw", "learning_rate": 5e-4, "warm_up": 10}
    trainer = Trainer(run_of(design, FEW_STEPS, WIDTH, cell["seed"], **few))
    score = trainer.train()
    drawn = draw_samples(trainer, PICTURES, steps=4, sampler=renoised)
    return {
        "loss": kid_of(drawn) if score.ok else None,
        "stopped": score.stopped,
        "seconds": score.fidelity.seconds,
    }


def step_time_ratio(steps: int = 30) -> dict[str, float]:
    """Time steps with a cached teacher and plain ones in turns; return medians and their ratio."""
    seconds: dict[str, list[float]] = {"plain": [], "distilled": []}
    with TemporaryDirectory() as folder, cpu_threads(1):
        taught = Distillation(teacher(), level="both:full", cache=folder)
        own = {"plain": FlowMatching(), "distilled": taught}
        runs = {
            name: run_of(STUDENT, 10 * steps, WIDTH, 7, objective=objective)
            for name, objective in own.items()
        }
        Trainer(runs["distilled"]).advance(Budget(steps=steps + 3))  # fills the cache
        trainers = {name: Trainer(run) for name, run in runs.items()}
        for step in range(steps + 3):
            for name, trainer in trainers.items():
                began = time.perf_counter()
                trainer.advance(Budget(steps=step + 1))
                if step >= 3:
                    seconds[name].append(time.perf_counter() - began)
    plain, distilled = (statistics.median(seconds[name]) for name in ("plain", "distilled"))
    return {"plain_ms": 1e3 * plain, "distilled_ms": 1e3 * distilled, "ratio": distilled / plain}


def gain(losses: dict[str, dict[int, float]], better: str, than: str) -> tuple[float, float, int]:
    """Return the mean gain in %, its lower 95 % end over paired seeds, and the seeds."""
    seeds = sorted(losses[better].keys() & losses[than].keys())
    gains = [100 * (1 - losses[better][s] / losses[than][s]) for s in seeds]
    if len(gains) < 2:
        return (gains or [math.nan])[0], math.nan, len(gains)
    error = statistics.stdev(gains) / math.sqrt(len(gains))
    mean = statistics.mean(gains)
    return mean, mean - float(student_t.ppf(0.975, len(gains) - 1)) * error, len(gains)


def ranks(cells: list[Cell], level: str) -> dict[str, float | int | None]:
    """Return how designs' ranks by ``level`` agree with those of plain training.

    Spearman of means over seeds with a bootstrap interval over designs; the share of pairs in the
    same order among those that plain seeds tell apart (2 standard errors).
    """
    held: dict[tuple[str, int], list[float]] = {}
    for cell in cells:
        if cell["design"] is not None and cell["loss"] is not None:
            held.setdefault((cell["level"], cell["design"]), []).append(cell["loss"])
    both = [d for d in range(DESIGNS) if ("none", d) in held and (level, d) in held]
    if len(both) < 4:
        return {"designs": len(both)}
    plain, other = (np.array([np.mean(held[(name, d)]) for d in both]) for name in ("none", level))
    generator = np.random.default_rng(0)
    draws = [generator.integers(len(both), size=len(both)) for _ in range(2000)]
    boots = [spearman(plain[d], other[d]) for d in draws if len(set(d.tolist())) > 2]
    low, high = np.nanquantile(boots, (0.025, 0.975))
    spread = np.mean([np.var(held[("none", d)], ddof=1) for d in both if len(held["none", d]) > 1])
    needed = 2 * math.sqrt(2 * float(spread) / RANK_SEEDS)
    pairs = [
        (i, j) for i, j in combinations(range(len(both)), 2) if abs(plain[i] - plain[j]) > needed
    ]
    right = [np.sign(plain[i] - plain[j]) == np.sign(other[i] - other[j]) for i, j in pairs]
    return {
        "spearman": float(spearman(plain, other)), "low": float(low), "high": float(high),
        "designs": len(both), "resolved_pairs": len(pairs),
        "resolved_pair_accuracy": float(np.mean(right)) if right else None,
    }  # fmt: skip


def report() -> None:
    """Write the JSON of what is there."""
    cells = results(LINES)
    losses: dict[str, dict[int, float]] = {arm: {} for arm in ARMS}
    for cell in cells:
        if cell["design"] is None and cell["loss"] is not None:
            losses[cell["level"]][cell["seed"]] = cell["loss"]
    kd, kd_low, seeds = gain(losses, "both:full", "none")
    full, full_low, _ = gain(losses, "both:full", "both:constant")
    kept = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    timed = kept.get("step_times") or (step_time_ratio() if seeds else None)
    by_kd, by_few = ranks(cells, "both:full"), ranks(cells, "few")
    found = {
        "kd_gain_pct": kd, "kd_gain_low_pct": kd_low,
        "full_s_gain_pct": full, "full_s_gain_low_pct": full_low,
        "step_time_ratio": timed and timed["ratio"],
        "rank_spearman": by_kd.get("spearman"), "rank_few_spearman": by_few.get("spearman"),
        "seeds": seeds,
        "gains_pct": {
            arm: dict(zip(("mean", "low", "seeds"), gain(losses, arm, "none"), strict=True))
            for arm in ARMS[1:]
        },
        "losses": losses, "step_times": timed, "rank_kd": by_kd, "rank_few": by_few,
        "teacher": TEACHER.digest(), "student": STUDENT.digest(), "latent": LATENT, "width": WIDTH,
        "teacher_width": TEACHER_WIDTH, "steps": STEPS, "teacher_steps": TEACHER_STEPS,
        "note": "other work ran beside", "provenance": provenance(),
    }  # fmt: skip
    text = json.dumps(_finite(found), indent=1)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    print(text)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", action="store_true", help="train nothing")
    given = parser.parse_args()
    cells: list[Cell] = [
        {"level": arm, "design": None, "seed": seed} for seed in range(SEEDS) for arm in ARMS
    ]
    cells += [
        {"level": level, "design": design, "seed": seed}
        for seed in range(RANK_SEEDS)
        for level in ("none", "both:full", "few")
        for design in range(DESIGNS)
    ]
    if not given.report:
        teacher()
        finish(LINES, cells, train, 1)
    report()


if __name__ == "__main__":
    main()
