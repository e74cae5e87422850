"""How fast `walkbench train` trains, beside a plain loop of diffusers and AdamW on the same design.

    python benchmarks/trainer_throughput.py                # CPU, one thread: some minutes
    python benchmarks/trainer_throughput.py --device cuda  # a GPU, ours in bfloat16, compiled

The plain loop is that of a training script: the stock UNet class, `F.mse_loss`,
`clip_grad_norm_`, `torch.optim.AdamW` as it comes, diffusers' `EMAModel`, float32. `ratio` is the
ratio of step times where both start from the same weights and see the same batches, so that their
validation losses agree; both train in turn and a ratio is taken per round. `to_loss` counts the
steps, and with them the time, until a plain loop with independent times, without the linear guess
and with a readout that starts at random has the validation loss that ours ends with.

`products` is the share of a step's time inside matrix products, convolutions and attention: what is
left is all that a loop can save.

Writes benchmarks/results/trainer_throughput.json, and keeps the figure of the other device.
"""

import argparse
import dataclasses
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.training_utils import EMAModel
from proxy_throughput import interval, seconds_of, without_idle_heads
from torch import Tensor, nn

from proxies.bundle_training.data import Loaded, load
from proxies.bundle_training.learner import BundleLearner, learner_of
from proxies.bundle_training.processes import Processes
from proxies.bundle_training.task import VelocityTask
from proxies.bundle_training.trainer import BundleTrainer
from proxies.flow_matching import TIME_SCALE, Moments
from proxies.hardware import Hardware
from proxies.train_config import TrainConfig
from proxies.twin import twin
from proxies.validation import validation_losses
from search_space.diffusers_bridge import config_from_spec, state_dict_to_diffusers
from search_space.diffusers_bridge.stock import stock_unet
from search_space.initialise import initialise
from search_space.presets import named_spec
from search_space.provenance import provenance
from search_space.spec import UNetSpec
from search_space.unet import UNet

RESULT = Path(__file__).parent / "results" / "trainer_throughput.json"
TARGETS = {"cpu": 1.5, "cuda": 2.5}
SIDE, WIDTH, BATCH, WARM_UP = 32, 16, 16, 2
PRODUCTS = ("conv", "mm", "bmm", "attention", "linear")  # parts of names of operators


def design() -> UNetSpec:
    return without_idle_heads(twin(named_spec("F/thin"), WIDTH, SIDE))


def recipe(given: argparse.Namespace, steps: int) -> TrainConfig:
    on_gpu = given.device != "cpu"
    return TrainConfig().but(
        {
            "data.train_images": 2048,
            "data.validation_images": 64,
            "conditions.dropout": 0.0,
            "optimizer.learning_rate": 2e-3,
            "optimizer.warm_up": 10,
            "optimizer.cooldown": 0.0,
            "run.steps": steps,
            "run.batch": given.batch,
            "run.log_every": steps,
            "run.validate_every": steps + 1,
            "run.checkpoint_every": steps + 1,
            "run.sample_every": 0,
            "compute.compile": on_gpu or given.compile,
            "compute.precision": "auto" if on_gpu else "float32",
        }
    )


class Plain:
    """The loop of a training script; ``like_ours`` gives it our weights, times and guess."""

    def __init__(self, ours: BundleTrainer, learner: BundleLearner, like_ours: bool) -> None:
        task = task_of(ours)
        self.draws, self.config, self.device = task.draws, task.config, ours.hardware.device
        self.moments: Moments | None = task.moments if like_ours else None
        spec = learner.spec
        _, config = config_from_spec(spec)
        self.unet = stock_unet(config)
        state = learner.unet.state_dict()
        if not like_ours:
            readout = initialise(UNet(spec), 0).state_dict()
            state = {**state, "output.conv_out.conv.weight": readout["output.conv_out.conv.weight"]}
        self.unet.load_state_dict(state_dict_to_diffusers(spec, state))
        self.model = nn.ModuleDict({"unet": self.unet, "words": learner.words}).to(self.device)
        settings = self.config.optimizer
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=settings.learning_rate,
            betas=(settings.beta1, settings.beta2),
            weight_decay=settings.weight_decay,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min(1.0, (step + 1) / settings.warm_up)
        )
        self.ema = EMAModel(self.model.parameters(), decay=0.99)
        self.generator = torch.Generator().manual_seed(0)
        self.like_ours, self.step = like_ours, 0

    def predict(self, x_t: Tensor, t: Tensor, text: Tensor, labels: Tensor) -> Tensor:
        del labels
        moments, context = self.moments, self.model["words"](text)
        given = x_t if moments is None else moments.normalised(x_t, t)
        found: Tensor = self.unet(given, t * TIME_SCALE, context).sample
        if moments is None:
            return found
        return moments.guess(x_t, t) + moments.residual_std(x_t, t) * found

    def train(self, steps: int) -> None:
        self.model.train()
        for _ in range(steps):
            draw = self.draws(self.step).map(lambda tensor: tensor.to(self.device))
            x0, noise, t = draw.x0, draw.noise, draw.t
            if not self.like_ours:
                t = torch.randn(len(t), generator=self.generator).sigmoid().to(self.device)
            share = t.reshape(-1, 1, 1, 1)
            x_t = (1 - share) * x0 + share * noise
            loss = F.mse_loss(self.predict(x_t, t, draw.text, draw.labels), noise - x0)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimizer.clip)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            self.ema.step(self.model.parameters())
            self.loss = loss.item()
            self.step += 1


def task_of(trainer: BundleTrainer) -> VelocityTask:
    assert isinstance(trainer.task, VelocityTask)
    return trainer.task


def ours_of(given: argparse.Namespace, folder: Path, steps: int) -> BundleTrainer:
    config, spec = recipe(given, steps), design()
    data: Loaded = load("shapes", spec, config.data)
    assert data.book is not None
    unet = initialise(UNet(spec), 0)
    learner = learner_of(unet, data.train.moments, len(data.book), 0, fresh=True)
    empty = torch.zeros(spec.context.tokens, dtype=torch.long)
    hardware = Hardware.of(given.device, config.compute.precision)
    task = VelocityTask(learner, data, config, hardware, empty)
    return BundleTrainer(task, config, folder, Processes(None, 0, 1, given.device))


def advance(trainer: BundleTrainer, steps: int) -> float:
    """Train on, and return the seconds of the steps; a run ends with a validation and a checkpoint,
    which are none of a step."""
    run = dataclasses.replace(trainer.config.run, steps=trainer.step + steps)
    trainer.config = dataclasses.replace(trainer.config, run=run)
    before = trainer.seconds
    trainer.train()
    return trainer.seconds - before


def products(train: Any) -> float:
    """Return the share of a step's operator time inside products, convolutions and attention."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        train(1)
    times = {event.key: event.self_cpu_time_total for event in profile.key_averages()}
    inside = sum(t for name, t in times.items() if any(part in name for part in PRODUCTS))
    return inside / sum(times.values())


def loss_of(model: Any, trainer: BundleTrainer) -> float:
    losses = validation_losses(model, task_of(trainer).validation)
    return math.fsum(losses) / len(losses)


def compare(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    total = WARM_UP + given.rounds * given.steps
    ours = ours_of(given, folder / "ours", total)
    plain = Plain(ours, task_of(ours_of(given, folder / "same", total)).learner, like_ours=True)
    loops = {
        "ours": lambda n: advance(ours, n),
        "plain": lambda n: seconds_of(plain.train, n, given.device),
    }
    for train in loops.values():
        train(WARM_UP)
    times: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(given.rounds):
        for name in sorted(loops, reverse=bool(turn % 2)):
            times[name].append(loops[name](given.steps))
    ratios = np.array(times["plain"]) / np.array(times["ours"])
    low, high = interval(ratios)
    with torch.no_grad():
        losses = {"ours": loss_of(ours.learner, ours), "plain": loss_of(plain.predict, ours)}
    found = {
        "ratio": float(np.median(ratios)),
        "ratio_low": low,
        "ratio_high": high,
        "ours_ms": 1000 * float(np.median(times["ours"])) / given.steps,
        "plain_ms": 1000 * float(np.median(times["plain"])) / given.steps,
        "ours_loss": losses["ours"],
        "plain_loss": losses["plain"],
        "params": sum(p.numel() for p in task_of(ours).learner.unet.parameters()),
        "precision": ours.hardware.precision,
        "ratios": [float(ratio) for ratio in ratios],
        "to_loss": to_loss(ours, losses["ours"], total, given, folder, float(np.median(ratios))),
    }
    if given.device == "cpu":  # after the losses: a profiled step is a step
        found["products"] = {name: products(train) for name, train in loops.items()}
    return found


def to_loss(
    ours: BundleTrainer,
    wanted: float,
    steps: int,
    given: argparse.Namespace,
    folder: Path,
    ratio: float,
) -> dict[str, Any]:
    """Return how many steps the plainest loop takes to the loss that ours has after ``steps``."""
    plain = Plain(
        ours, task_of(ours_of(given, folder / "plainest", steps)).learner, like_ours=False
    )
    curve: list[tuple[int, float]] = []
    every = max(1, steps // 4)
    while plain.step < given.patience * steps and (not curve or curve[-1][1] > wanted):
        plain.train(every)
        with torch.no_grad():
            curve.append((plain.step, loss_of(plain.predict, ours)))
    return {
        "our_steps": steps,
        "plain_steps": plain.step,
        "at_least": curve[-1][1] > wanted,
        "time_ratio": ratio * plain.step / steps,
        "curve": curve,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4, help="of each loop in a round")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--compile", action="store_true", help="ours, on a CPU too")
    parser.add_argument("--patience", type=float, default=3.0)
    parser.add_argument("--note", help="what the result should say, such as what ran beside it")
    given = parser.parse_args()
    torch.set_num_threads(1)
    kind = given.device.partition(":")[0]
    with tempfile.TemporaryDirectory() as folder:
        found = compare(given, Path(folder))
    before = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    result = {"ratio_cpu": None, "ratio_gpu": None, **before}
    result["ratio_gpu" if kind == "cuda" else "ratio_cpu"] = found["ratio"]
    result[kind] = {
        **found,
        "target": TARGETS[kind],
        "reached": found["ratio"] >= TARGETS[kind],
        "batch": given.batch,
        "side": SIDE,
        "note": given.note,
        "load": list(os.getloadavg()),
        "provenance": provenance("diffusers", "accelerate"),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
