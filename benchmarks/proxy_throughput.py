"""How fast a proxy trains, beside a plain loop of diffusers and AdamW on the same twin.

    python benchmarks/proxy_throughput.py                  # CPU, one thread: about 4 minutes
    python benchmarks/proxy_throughput.py --device cuda    # a GPU, ours in bfloat16

The plain loop is what a training script of diffusers does: the stock UNet class, a DataLoader over
the same pictures, `F.mse_loss`, `clip_grad_norm_`, `torch.optim.AdamW` as it comes, a learning-rate
scheduler and diffusers' `EMAModel`, all in float32. It starts from the same weights and reads the
same pictures, noise, times and captions, and predicts what ours predicts, so that at equal steps
both have the same loss (checked, `loss_difference`) and the ratio of their step times is the ratio
of the times to one loss. What our loop does better per step (times from equal shares of their
distribution, a start from the linear guess) is given to the plain loop too and does not count in
`ratio`. Both train in turn, a few steps each, in one process; a ratio is taken per round.

`time_to_loss` is the other question: a plain loop that has neither (independent times, the network
reads x_t and predicts all of the velocity, its last layer starts at random) is trained until its
averaged weights have the validation loss that ours had at the end, and its steps are counted, up to
`--patience` times ours. A number with `at_least` true is a lower bound: it gave up.

Writes benchmarks/results/proxy_throughput.json. Run it on a machine that does nothing else.
"""

import argparse
import dataclasses
import gc
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from proxies.compute import Compute
from proxies.data.dataset import Captioned, shapes
from proxies.flow_matching import TIME_SCALE, Moments, stratified_times
from proxies.model import start, unet_learner
from proxies.recipe import Budget, Recipe
from proxies.trainer import Trainer
from proxies.training_run import TrainingSettings
from proxies.twin import twin
from proxies.validation import ValidationSet, validation_losses
from search_space.diffusers_bridge import config_from_spec, state_dict_to_diffusers
from search_space.diffusers_bridge.stock import stock_inputs, stock_unet
from search_space.initialise import stream
from search_space.presets import named_spec
from search_space.provenance import provenance
from search_space.spec import UNetSpec

RESULT = Path(__file__).parent / "results" / "proxy_throughput.json"
SPECS = ("sdxl", "F/thin", "dreamlite")  # their twins fit a stock class at a width of 16
TARGETS = {"cpu": 1.5, "cuda": 2.5}
WARM_UP = 2  # steps of each before the first round


class PlainLearner(nn.Module):
    """Our learner with diffusers' UNet inside: same weights, same inputs, same prediction."""

    def __init__(self, spec: UNetSpec, data: Captioned, seed: int, guess: bool):
        super().__init__()
        ours = start(lambda: unet_learner(spec, data), seed, zero_readout=guess)
        self.spec, self.moments = spec, data.moments if guess else None
        self.words, self.places, self.pool = ours.words, ours.places, ours.pool
        same = without_idle_heads(spec)
        _, config = config_from_spec(same)
        self.unet = stock_unet(config)
        self.unet.load_state_dict(state_dict_to_diffusers(same, ours.unet.state_dict()))

    def forward(self, x_t: Tensor, t: Tensor, tokens: Tensor, labels: Tensor) -> Tensor:
        moments: Moments | None = self.moments
        context = self.words(tokens) + self.places.weight
        inputs = {
            "latents": x_t if moments is None else moments.normalised(x_t, t),
            "timesteps": t * TIME_SCALE,
            "context": context,
        }
        if self.pool is not None:
            inputs["pooled"] = self.pool(context.mean(dim=1))
        if ids := self.spec.conditions.size_ids:
            inputs["size_ids"] = x_t.new_full((len(x_t), ids), x_t.shape[-1])
        rest = self.unet(**stock_inputs(self.spec, inputs)).sample
        if moments is None:
            return rest
        return moments.guess(x_t, t) + moments.residual_std(x_t, t) * rest


def without_idle_heads(spec: UNetSpec) -> UNetSpec:
    """Give stages without transformers one head, which diffusers can say; no weight changes."""
    stages = tuple(
        stage
        if spec.has_transformer(i)
        else dataclasses.replace(stage, heads=1, kv_heads=1, head_dim=stage.channels)
        for i, stage in enumerate(spec.stages)
    )
    return spec.replace(stages=stages)


class Pictures(Dataset):
    """Pictures one by one, as a training script reads them."""

    def __init__(self, data: Captioned):
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor, int]:
        picture = torch.from_numpy(self.data.images[i]).permute(2, 0, 1).float() / 127.5 - 1
        return picture, torch.from_numpy(self.data.tokens[i]), int(self.data.labels[i])


class PlainLoop:
    """The loop of a training script: diffusers, AdamW, EMAModel, float32."""

    def __init__(self, spec: UNetSpec, given: argparse.Namespace, like_ours: bool):
        self.device, self.recipe, self.like_ours = (
            given.device,
            Recipe(batch=given.batch),
            like_ours,
        )
        recipe, data = self.recipe, shapes("train", self.recipe.train_images, given.latent)
        small = twin(spec, given.width, given.latent, tokens=data.tokens.shape[1])
        self.model = PlainLearner(small, data, 0, guess=like_ours).to(given.device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min(1.0, (step + 1) / recipe.warm_up)
        )
        self.ema = EMAModel(self.model.parameters(), decay=0.999)
        self.generator = stream(0, "batches")  # the stream of our loop: rows, noise, times
        self.batches = self._batches(data)

    def _batches(self, data: Captioned) -> Iterator[list[Tensor]]:
        recipe, generator = self.recipe, self.generator

        class Rows:
            def __iter__(self) -> Iterator[list[int]]:
                while True:
                    yield torch.randint(len(data), (recipe.batch,), generator=generator).tolist()

        return iter(DataLoader(Pictures(data), batch_sampler=Rows()))

    def train(self, steps: int) -> None:
        self.model.train()
        for _ in range(steps):
            x0, tokens, labels = (x.to(self.device) for x in next(self.batches))
            noise = torch.randn(x0.shape, generator=self.generator).to(self.device)
            t = self._times(len(x0)).to(self.device)
            share = t.reshape(-1, 1, 1, 1)
            x_t = (1 - share) * x0 + share * noise
            loss = F.mse_loss(self.model(x_t, t, tokens, labels), noise - x0)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            self.ema.step(self.model.parameters())
            self.loss = loss.item()

    def _times(self, count: int) -> Tensor:
        if self.like_ours:
            return stratified_times(count, self.generator)
        return torch.randn(count, generator=self.generator).sigmoid()

    def averaged_loss(self, validation: ValidationSet) -> float:
        self.ema.store(self.model.parameters())
        self.ema.copy_to(self.model.parameters())
        loss = mean(validation_losses(self.model, validation))
        self.ema.restore(self.model.parameters())
        return loss


def time_to_loss(ours: Trainer, spec: UNetSpec, given: argparse.Namespace) -> dict[str, Any]:
    """Return how many steps the plainest loop needs for the loss of our averaged weights."""
    wanted, plain = ours.score().value, PlainLoop(spec, given, like_ours=False)
    curve, step, every = [], 0, max(1, ours.step // 4)
    while step < given.patience * ours.step and (not curve or curve[-1][1] > wanted):
        plain.train(every)
        step += every
        curve.append((step, plain.averaged_loss(ours.validation)))
    return {
        "loss": wanted,
        "our_steps": ours.step,
        "plain_steps": step,
        "at_least": curve[-1][1] > wanted,
        "curve": curve,
    }


def compare(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Train the twin of ``name`` both ways in turn; return ratios, step times and losses."""
    recipe, spec = Recipe(batch=given.batch), named_spec(name)
    settings = TrainingSettings(
        Budget(steps=WARM_UP + given.rounds * given.steps),
        width=given.width,
        latent=given.latent,
        recipe=recipe,
        compute=Compute(given.device, given.precision, given.compile),
    )
    ours = Trainer(settings.run(spec))
    plain = PlainLoop(spec, given, like_ours=True)
    step = 0

    def train_ours(steps: int) -> None:
        nonlocal step
        step += steps
        ours.advance(Budget(steps=step))

    train_ours(WARM_UP)
    plain.train(WARM_UP)
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    for round_ in range(given.rounds):
        both: list[tuple[str, Callable[[int], None]]] = [
            ("ours", train_ours),
            ("plain", plain.train),
        ]
        for label, train in both if round_ % 2 else reversed(both):
            times[label].append(seconds_of(train, given.steps, given.device))
    ratios = np.array(times["plain"]) / np.array(times["ours"])
    losses = {
        "ours": mean(validation_losses(ours.learner, ours.validation)),
        "plain": mean(validation_losses(plain.model, ours.validation)),
    }
    low, high = interval(ratios)
    to_loss = time_to_loss(ours, spec, given) if name in given.to_loss else None
    if to_loss is not None:
        steps = to_loss["plain_steps"] / to_loss["our_steps"]
        to_loss["time_ratio"] = steps * float(np.median(ratios))
    return {
        "spec": name,
        "device": given.device,
        "precision": ours.precision,
        "compiled": given.compile,
        "params": ours.params,
        "steps": ours.step,
        "ratio": float(np.median(ratios)),
        "ratio_low": low,
        "ratio_high": high,
        "ours_ms": 1000 * float(np.median(times["ours"])) / given.steps,
        "plain_ms": 1000 * float(np.median(times["plain"])) / given.steps,
        "ours_loss": losses["ours"],
        "plain_loss": losses["plain"],
        "loss_difference": abs(losses["ours"] - losses["plain"]) / losses["plain"],
        "ratios": [float(r) for r in ratios],
        "time_to_loss": to_loss,
    }


def seconds_of(train: Callable[[int], None], steps: int, device: str) -> float:
    gc.collect()
    synchronise(device)
    start = time.perf_counter()
    train(steps)
    synchronise(device)
    return time.perf_counter() - start


def synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def interval(ratios: np.ndarray, resamples: int = 4000) -> tuple[float, float]:
    """A 95 % interval of the median ratio: a bootstrap over rounds."""
    generator = np.random.default_rng(0)
    rows = generator.integers(len(ratios), size=(resamples, len(ratios)))
    low, high = np.quantile(np.median(ratios[rows], axis=1), (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", help="of our loop; the plain one is float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--specs", nargs="+", default=list(SPECS))
    parser.add_argument("--to-loss", nargs="*", default=list(SPECS[1:]))
    parser.add_argument("--patience", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=4, help="of each loop in a round")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--latent", type=int, default=24)
    parser.add_argument("--batch", type=int, default=Recipe().batch)
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = [compare(name, given) for name in given.specs]
    ratios = [row["ratio"] for row in rows]
    kind = given.device.partition(":")[0]
    summary = {
        "device": torch.cuda.get_device_name() if kind == "cuda" else "cpu, one thread",
        "ratio_least": min(ratios),
        "ratio_geometric_mean": float(np.exp(np.mean(np.log(ratios)))),
        "time_to_loss_least": min(
            (r["time_to_loss"]["time_ratio"] for r in rows if r["time_to_loss"]), default=None
        ),
        "target": TARGETS[kind],
        "reached": min(ratios) >= TARGETS[kind],
        "loss_difference_most": max(row["loss_difference"] for row in rows),
        "gpu": "measured" if kind == "cuda" else "not measured: no GPU was at hand",
    }
    more = {
        **{name: getattr(given, name) for name in ("rounds", "steps", "width", "latent", "batch")},
        "load": list(os.getloadavg()),
    }
    result = {
        "summary": summary,
        "rows": rows,
        "provenance": {**provenance("diffusers"), **more},
    }
    given.result.parent.mkdir(parents=True, exist_ok=True)
    given.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        print(
            f"{row['spec']:12} {row['plain_ms']:7.1f} / {row['ours_ms']:7.1f} ms = "
            f"{row['ratio']:.2f} ({row['ratio_low']:.2f}–{row['ratio_high']:.2f})  "
            f"losses {row['ours_loss']:.4f} {row['plain_loss']:.4f}"
        )
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
