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

from proxies.data.dataset import shapes
from proxies.data.training_data import TrainingData
from proxies.ema import PowerEMA
from proxies.flat import FlatParameters
from proxies.flow_matching import stratified_times
from proxies.gradient import Draw, Gradient
from proxies.hardware import Hardware, compiled
from proxies.learning_rate import BASE_WIDTH, width_multipliers
from proxies.memory import naming_its_end
from proxies.model import Learner, make_learner
from proxies.recipe import Budget, Recipe
from proxies.score import Fidelity, Score
from proxies.twin import twin
from proxies.validation import bucket_means, validation_losses, validation_set
from search_space.errors import WalkbenchError
from search_space.initialise import stream
from search_space.spec import UNetSpec

__all__ = ["Budget", "Recipe", "Trainer"]

DIVERGED = 10.0  # training loss over the validation loss before training
WORTHLESS = 1.05  # validation loss over that before training


@dataclass
class Trainer:
    """A twin in training: :meth:`train` advances it, :meth:`score` validates its averages.

    ``device`` and ``precision`` as in :mod:`proxies.hardware`; ``compiled`` trains through
    `torch.compile`, which takes minutes before the first step. Where a batch does not fit into
    memory, ``accumulate`` lets the run go on in parts whose gradients add up to those of the batch.
    """

    spec: UNetSpec
    width: int = 16
    latent: int = 24
    seed: int = 0
    recipe: Recipe = field(default_factory=Recipe)
    data: TrainingData | None = None
    validation_data: TrainingData | None = None
    device: str = "cpu"
    precision: str = "auto"
    compiled: bool = False
    accumulate: bool = False

    def __post_init__(self) -> None:
        recipe = self.recipe
        self.hardware = Hardware.of(self.device, self.precision)
        self.precision = self.hardware.precision
        twin(self.spec, self.width, self.latent)  # fail before data is made
        self.data = self.data or shapes("train", recipe.train_images, self.latent)
        if self.data.size != self.latent:
            raise WalkbenchError(
                f"data {self.data.name!r} is {self.data.size} wide and the twin {self.latent}; use "
                f"a latent of {self.data.size}, or load the data at another size"
            )
        if (self.data.name != "shapes") != (self.validation_data is not None):
            raise WalkbenchError(f"data {self.data.name!r} needs validation data of its own")
        self.validation = validation_set(
            self.latent, recipe.validation_images, self.validation_data
        )
        self.learner = make_learner(
            self._twin(self.width),
            self.data.vocabulary,
            self.data.moments,
            self.seed,
            text_width=self.data.text_width,
        ).to(self.device)
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
        forward = compiled(self.learner) if self.compiled else self.learner
        self.gradient = Gradient(
            forward, self.flat, self.hardware, recipe.batch, accumulate=self.accumulate
        )
        self.step, self.seconds = 0, 0.0
        self.loss, self.loss_sum, self.failed = math.nan, 0.0, ""
        self.curve: list[tuple[int, float, float]] = []

    def _twin(self, width: int) -> UNetSpec:
        """Return the twin that reads this data's pictures or latents, and captions as long."""
        assert self.data is not None
        channels, tokens = self.data.channels, self.data.text_tokens
        return twin(self.spec, width, self.latent, channels=channels, tokens=tokens)

    def _multipliers(self) -> dict[str, float]:
        """Return the learning-rate multiplier of every parameter by name."""
        assert self.data is not None
        if not self.recipe.by_width or self.width == BASE_WIDTH:
            return dict.fromkeys((name for name, _ in self.learner.named_parameters()), 1.0)
        base, data = self._twin(BASE_WIDTH), self.data
        with torch.device("meta"):
            shapes_of_base = Learner(base, data.vocabulary, data.moments, data.text_width)
        return width_multipliers(self.learner, shapes_of_base)

    def train(self, budget: Budget, each_step: Callable[[], None] | None = None) -> None:
        """Train until the budget is spent or the run diverges (then ``failed`` says how).

        Raises :class:`WalkbenchError` when memory runs out, naming the batch that fits; with
        ``accumulate`` only if not even one sample does.
        """
        self.learner.train()
        with self.hardware.training():
            while budget.share(self.step, self.seconds) < 1 and not self.failed:
                start = time.perf_counter()
                with naming_its_end(self.device):
                    self._step()
                self.seconds += time.perf_counter() - start
                if each_step is not None:
                    each_step()

    def _step(self) -> None:
        recipe = self.recipe
        loss = self.gradient(self._draw())
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

    def _draw(self) -> Draw:
        """Draw the next step's samples; all numbers come from the CPU, alike on every device."""
        size, generator = self.recipe.batch, self.generator
        assert self.data is not None
        rows = torch.randint(len(self.data), (size,), generator=generator)
        x0, text, labels = self.data.batch(rows)  # (B, C, S, S), (B, T) or (B, T, W), (B,)
        noise = torch.randn(x0.shape, generator=generator)
        noise = noise.contiguous(memory_format=torch.channels_last)
        t = stratified_times(size, generator)  # (B,)
        return Draw(x0, noise, t, text, labels)

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
            precision=self.precision,
            compiled=self.compiled,
            micro_batch=self.gradient.micro_batch,
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
        with self.averaged() as learner, self.hardware.validating():
            losses = validation_losses(learner, self.validation)
        score = Score.of_losses(losses, fidelity, buckets=bucket_means(losses), **more)
        if score.ok and score.value > WORTHLESS * self.start_loss:
            before = f"worse than {self.start_loss:.4g} before training"
            reason = f"validation loss is {score.value:.4g}, {before}"
            return Score.failure(reason, fidelity, **more)
        return score
