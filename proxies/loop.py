"""One training loop for every proxy: the twin of a spec, a recipe, a budget.

All candidates with one seed see the same pictures in the same order with the same noise and times,
and start from weights that are equal wherever their parameters are. The learning rate is constant
after a short warm-up, so every moment is a legitimate end and rungs of different lengths compare.
A run that diverges ends at once in a failed score.

Two runs with one seed and a budget in steps agree to the last bit on a CPU with one thread. A
budget in seconds also compares speeds: who trains faster gets more steps.

>>> from search_space.presets import named_spec
>>> recipe = Recipe(batch=2, train_images=16, validation_images=8)
>>> trainer = Trainer(named_spec("F/mqa"), width=8, recipe=recipe)
>>> trainer.train(Budget(steps=2))
>>> trainer.step, trainer.score().ok
(2, True)
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from proxies.data.dataset import Captioned, shapes, to_float
from proxies.ema import PowerEMA
from proxies.flat import FlatParameters
from proxies.flow_matching import interpolate, sample_losses, stratified_times, velocity
from proxies.learning_rate import BASE_WIDTH, width_multipliers
from proxies.model import Learner, make_learner
from proxies.score import Fidelity, Score
from proxies.twin import twin
from proxies.validation import bucket_means, validation_losses, validation_set
from search_space.errors import WalkbenchError
from search_space.initialise import stream
from search_space.spec import UNetSpec

DIVERGED = 10.0  # training loss over the validation loss before training
WORTHLESS = 1.05  # validation loss over that before training


@dataclass(frozen=True)
class Recipe:
    """How a proxy trains. Losses compare only between runs of one recipe."""

    batch: int = 8
    learning_rate: float = 3e-3
    warm_up: int = 10  # steps
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0  # joint norm of the gradients
    by_width: bool = True  # learning rates follow the twin's width (proxies.learning_rate)
    ema_sigma: float = 0.10  # share of the run that the averaged weights reach back
    train_images: int = 4096
    validation_images: int = 256

    def __post_init__(self) -> None:
        for name in ("batch", "learning_rate", "clip", "train_images", "validation_images"):
            value = getattr(self, name)
            if not value > 0:
                raise WalkbenchError(f"{name} is {value}; a positive number is needed")


@dataclass(frozen=True)
class Budget:
    """When a run ends: after ``steps`` or after ``seconds`` of training, whichever comes first."""

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds is None:
            raise WalkbenchError("a proxy run needs a budget: give steps or seconds")
        for name, value in (("steps", self.steps), ("seconds", self.seconds)):
            if value is not None and not value > 0:
                raise WalkbenchError(f"{name} is {value}; a positive number is needed")

    def share(self, steps: int, seconds: float) -> float:
        """Return which share of the budget is spent, 0 to 1."""
        shares = [
            done / allowed
            for done, allowed in ((steps, self.steps), (seconds, self.seconds))
            if allowed is not None
        ]
        return min(1.0, max(shares))


@dataclass
class Trainer:
    """A twin in training: :meth:`train` advances it, :meth:`score` validates its averages."""

    spec: UNetSpec
    width: int = 16
    latent: int = 24
    seed: int = 0
    recipe: Recipe = field(default_factory=Recipe)
    data: Captioned | None = None
    validation_data: Captioned | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        recipe = self.recipe
        twin(self.spec, self.width, self.latent)  # fail before data is made
        self.data = self.data or shapes("train", recipe.train_images, self.latent)
        if self.data.size != self.latent:
            raise WalkbenchError(
                f"pictures are {self.data.size} pixels wide, the twin {self.latent}; load them "
                f"at size {self.latent}"
            )
        if (self.data.name != "shapes") != (self.validation_data is not None):
            raise WalkbenchError(f"data {self.data.name!r} needs validation data of its own")
        self.validation = validation_set(
            self.latent, recipe.validation_images, self.validation_data
        )
        small = twin(self.spec, self.width, self.latent, tokens=self.data.tokens.shape[1])
        self.learner = make_learner(small, self.data.vocabulary, self.data.moments, self.seed).to(
            self.device
        )
        self.start_loss = self.validation.loss_of_guess(self.data.moments)
        self.params = sum(parameter.numel() for parameter in self.learner.unet.parameters())
        self.flat = FlatParameters(self.learner, self._multipliers().__getitem__)
        self.optimizer = torch.optim.AdamW(
            [{"params": [g.weights], "multiplier": g.multiplier} for g in self.flat.groups],
            lr=recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.ema = PowerEMA(list(self.flat.weights), recipe.ema_sigma)
        self.generator = stream(self.seed, "batches")
        self.tokens = torch.from_numpy(self.data.tokens)
        self.labels = torch.from_numpy(self.data.labels)
        self.images = torch.from_numpy(self.data.images)
        self.step, self.seconds = 0, 0.0
        self.loss, self.loss_sum, self.failed = math.nan, 0.0, ""
        self.curve: list[tuple[int, float, float]] = []

    def _multipliers(self) -> dict[str, float]:
        """Return the learning-rate multiplier of every parameter by name."""
        assert self.data is not None
        if not self.recipe.by_width or self.width == BASE_WIDTH:
            return dict.fromkeys((name for name, _ in self.learner.named_parameters()), 1.0)
        base = twin(self.spec, BASE_WIDTH, self.latent, tokens=self.data.tokens.shape[1])
        with torch.device("meta"):
            shapes_of_base = Learner(base, self.data.vocabulary, self.data.moments)
        return width_multipliers(self.learner, shapes_of_base)

    def train(self, budget: Budget, each_step: Callable[[], None] | None = None) -> None:
        """Train until the budget is spent or the run diverges (then ``failed`` says how)."""
        self.learner.train()
        while budget.share(self.step, self.seconds) < 1 and not self.failed:
            start = time.perf_counter()
            self._step()
            self.seconds += time.perf_counter() - start
            if each_step is not None:
                each_step()

    def _step(self) -> None:
        recipe, generator = self.recipe, self.generator
        rows = torch.randint(len(self.images), (recipe.batch,), generator=generator)
        x0 = to_float(self.images[rows])  # (B, 3, S, S)
        noise = torch.randn(x0.shape, generator=generator)
        noise = noise.contiguous(memory_format=torch.channels_last)
        t = stratified_times(recipe.batch, generator)  # (B,)
        x0, noise, t = x0.to(self.device), noise.to(self.device), t.to(self.device)
        tokens, labels = self.tokens[rows].to(self.device), self.labels[rows].to(self.device)
        predicted = self.learner(interpolate(x0, noise, t), t, tokens, labels)
        loss = sample_losses(predicted, velocity(x0, noise)).mean()
        self.flat.zero_gradients()
        loss.backward()  # type: ignore[no-untyped-call]
        self.flat.clip_gradients(recipe.clip)
        warm = min(1.0, (self.step + 1) / max(1, recipe.warm_up))
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * group["multiplier"] * warm
        self.optimizer.step()
        self.ema.update(list(self.flat.weights))
        self.step += 1
        self.loss = loss.item()
        self.loss_sum += self.loss
        if not self.loss < DIVERGED * self.start_loss:  # also nan
            self.failed = f"training loss is {self.loss:.4g} at step {self.step}"

    @contextmanager
    def averaged(self) -> Iterator[Learner]:
        """Lend the learner with the averaged weights in place of the latest ones."""
        kept = [weights.detach().clone() for weights in self.flat.weights]
        self.flat.copy_in(self.ema.averages)
        try:
            yield self.learner
        finally:
            self.flat.copy_in(kept)

    def score(self, stopped: str | None = None) -> Score:
        """Return the validation loss of the averaged weights; training can go on afterwards."""
        fidelity = Fidelity(
            steps=self.step,
            seconds=round(self.seconds, 3),
            width=self.width,
            latent=self.latent,
            batch=self.recipe.batch,
            seed=self.seed,
            data=self.data.name if self.data else "",
            device=self.device,
        )
        more = {
            "train_loss_sum": self.loss_sum,
            "params": self.params,
            "start": self.start_loss,
            "curve": tuple(self.curve),
            "stopped": stopped,
        }
        if self.failed:
            return Score.failure(self.failed, fidelity, **more)
        with self.averaged() as learner:
            losses = validation_losses(learner, self.validation)
        score = Score.of_losses(losses, fidelity, buckets=bucket_means(losses), **more)
        if score.ok and score.value > WORTHLESS * self.start_loss:
            before = f"worse than {self.start_loss:.4g} before training"
            reason = f"validation loss is {score.value:.4g}, {before}"
            return Score.failure(reason, fidelity, **more)
        return score
