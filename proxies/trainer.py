"""`Trainer`: trains the twin of one run's network, and scores it.

All candidates with one seed see the same pictures in the same order with the same noise and times,
and start from weights that are equal wherever their parameters are. Unless the recipe has a
cooldown, the learning rate is constant after a short warm-up: every moment is a legitimate end and
rungs of different lengths compare. A run that diverges ends at once in a failed score.

Two runs with one seed and a budget in steps agree to the last bit on a CPU with one thread. A
budget in seconds also compares speeds: who trains faster gets more steps.

The loss is the recipe's objective (:mod:`proxies.objectives`), the steps are its optimizer's
(:mod:`proxies.optimizers`). Checkpoints, validations on the way and progress are callbacks
(:mod:`proxies.callbacks`).

>>> from proxies.recipe import Budget, Recipe
>>> from proxies.training_run import TrainingSettings
>>> from search_space.presets import named_spec
>>> recipe = Recipe(batch=2, train_images=16, validation_images=8)
>>> run = TrainingSettings(Budget(steps=2), width=8, recipe=recipe).run(named_spec("F/mqa"))
>>> score = train_run(run)
>>> score.ok, score.n, score.fidelity.steps
(True, 8, 2)
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from proxies.callbacks import Callback, Validation
from proxies.data.dataset import shapes
from proxies.data.training_data import TrainingData
from proxies.ema import PowerEMA
from proxies.gradient import Gradient
from proxies.hardware import Hardware, compiled
from proxies.last_good import LastGood
from proxies.learning_rate import BASE_WIDTH, width_multipliers
from proxies.memory import explain_out_of_memory
from proxies.model import LEARNERS, start
from proxies.objectives.protocol import JudgesPictures, ReadsFiles, Remembers, Setup, Watched
from proxies.optimizers import OPTIMIZERS
from proxies.recipe import Budget
from proxies.score import Fidelity, Score
from proxies.step import TrainingStep
from proxies.threads import cpu_threads
from proxies.training_run import TrainingRun, TrainingSettings
from proxies.twin import twin
from proxies.validation import bucket_means, validation_set
from search_space.errors import WalkbenchError
from search_space.initialise import stream
from search_space.network import Network

DIVERGED = 10.0  # training loss over the validation loss before training
WORTHLESS = 1.05  # validation loss over that before training

Data = tuple[TrainingData, TrainingData | None]


class Trainer:
    """A run in training. ``callbacks`` are told of every step, in their order.

    ``data`` are training and validation data in place of those that the settings name; validation
    data are None for the shapes alone. Raises :class:`WalkbenchError` where the twin cannot be
    built, the data do not fit it, or this machine lacks the device or precision.
    """

    def __init__(
        self, run: TrainingRun, callbacks: Sequence[Callback] = (), *, data: Data | None = None
    ) -> None:
        self.run, self.settings, self.recipe = run, run.settings, run.settings.recipe
        self.callbacks = [Validation(run.validate_at), *callbacks]
        compute = self.settings.compute
        self.hardware = Hardware.of(compute.device, compute.precision)
        twin(run.network, self.settings.width, self.settings.latent)  # fail before data are made
        self.data, validation = self._checked(data or self._load())
        self.validation = validation_set(
            self.settings.latent, self.recipe.validation_images, validation
        )
        self._learner_of = LEARNERS.get(run.network.kind)
        small = self._twin(self.settings.width)
        learner = start(lambda: self._learner_of(small, self.data), self.settings.seed)
        self.learner = learner.to(self.hardware.device)
        setup = Setup(run, self.data, self.validation, self.learner, self.hardware)
        self.loss_function = self.recipe.objective.prepare(setup)
        self.params = sum(parameter.numel() for parameter in self.learner.network.parameters())
        optimizer = OPTIMIZERS.get(self.recipe.optimizer)
        self.optimizer = optimizer(self.recipe, self.learner, self._multipliers())
        self.flat = self.optimizer.flat
        self.ema = PowerEMA(list(self.flat.weights), self.recipe.ema_sigma)
        self.generator = stream(self.settings.seed, "batches")
        forward = compiled(self.learner) if compute.compiled else self.learner
        self.gradient = Gradient(
            lambda part: self.loss_function.training(forward, part),
            self.flat,
            self.hardware,
            self.recipe.batch,
            accumulate=compute.accumulate,
        )
        self.take = TrainingStep(self.recipe, self.gradient, self.optimizer, self.ema)
        if isinstance(self.loss_function, Remembers):
            self.take.after = self.loss_function.stepped
        self.last_good = LastGood(self.take)
        self.step, self.seconds, self.ended = 0, 0.0, ""
        self.loss, self.loss_sum, self.failed = math.nan, 0.0, ""
        self.curve: list[tuple[int, float, float]] = []

    def _load(self) -> Data:
        """Return the data that the settings name; shapes are as many as the recipe says."""
        size = self.settings.latent
        parts = self.settings.data.load(size)
        if parts is None:
            return shapes("train", self.recipe.train_images, size), None
        return parts.train, parts.validation

    def _checked(self, data: Data) -> Data:
        train, validation = data
        if train.size != self.settings.latent:
            raise WalkbenchError(
                f"data {train.name!r} are {train.size} wide and the twin {self.settings.latent}; "
                f"use a latent of {train.size}, or load the data at another size"
            )
        if (train.name != "shapes") != (validation is not None):
            raise WalkbenchError(f"data {train.name!r} need validation data of their own")
        return data

    def _twin(self, width: int) -> Network:
        """Return the twin that reads this data's pictures or latents, and captions as long."""
        channels, tokens = self.data.channels, self.data.text_tokens
        latent = self.settings.latent
        return twin(self.run.network, width, latent, channels=channels, tokens=tokens)

    def _multipliers(self) -> dict[str, float]:
        """Return the learning-rate multiplier of every parameter by name."""
        if not self.recipe.by_width or self.settings.width == BASE_WIDTH:
            return dict.fromkeys((name for name, _ in self.learner.named_parameters()), 1.0)
        base = self._twin(BASE_WIDTH)
        with torch.device("meta"):
            shapes_of_base = self._learner_of(base, self.data)
        return width_multipliers(self.learner, shapes_of_base)

    def train(self) -> Score:
        """Train to the end of the run's budget and return the score, with all callbacks.

        What a callback raises ends the run. Raises :class:`WalkbenchError` when memory runs out.
        """
        for callback in self.callbacks:
            callback.started(self)
        self.advance(self.run.settings.budget)
        for callback in self.callbacks:
            callback.trained(self)
        score = self.score(stopped=self.ended or None)
        for callback in self.callbacks:
            callback.scored(self, score)
        return score

    def advance(self, budget: Budget) -> None:
        """Train until ``budget`` is spent or the run diverges (then ``failed`` says how).

        Where the objective watches its run, it may also end with its last good weights (then
        ``ended`` says why).

        Raises :class:`WalkbenchError` when memory runs out, naming the batch that fits; with
        ``accumulate`` only if not even one sample does.
        """
        self.learner.train()
        spent = budget.share(self.step, self.seconds)
        with self.hardware.training():
            while spent < 1 and not self.failed and not self.ended:
                start = time.perf_counter()
                with explain_out_of_memory(self.settings.compute.device):
                    self._step()
                self.seconds += time.perf_counter() - start
                before, spent = spent, budget.share(self.step, self.seconds)
                for callback in self.callbacks:
                    callback.stepped(self, before, spent)

    def _step(self) -> None:
        spent = self.run.settings.budget.share(self.step, self.seconds)
        loss = self.take(self.loss_function.draw(self.generator), self.step, spent)
        self.step += 1
        self.loss = loss.item()
        self.loss_sum += self.loss
        if not self.loss < DIVERGED * self.loss_function.start:  # also nan
            self.failed = f"training loss is {self.loss:.4g} at step {self.step}"
        if isinstance(self.loss_function, Watched):
            self._watch(self.loss_function.ended(), self.loss_function.is_well())

    def _watch(self, why: str, well: bool) -> None:
        """Keep these weights where they are good; put the last good ones back at the end."""
        if not why and not self.failed:
            if well:
                self.last_good.keep(self.step)
        elif self.last_good.step:
            why, self.failed = why or self.failed, ""
            self.last_good.put_back()
            self.ended = f"{why}; the weights of step {self.last_good.step} are kept"

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """Lend the learner with the averaged weights in place of the latest ones."""
        with self.take.averaged():
            yield self.learner

    def score(self, stopped: str | None = None) -> Score:
        """Return the validation loss of the averaged weights; training can go on afterwards."""
        fidelity, start = self._fidelity(), self.loss_function.start
        more: dict[str, Any] = {
            "train_loss_sum": self.loss_sum,
            "params": self.params,
            "start": start,
            "curve": tuple(self.curve),
            "stopped": stopped,
        }
        if self.failed:
            return Score.failure(self.failed, fidelity, **more)
        with self.averaged() as learner, self.hardware.validating():
            losses = self.loss_function.validation(learner)
            if isinstance(self.loss_function, JudgesPictures):
                more["quality"] = self.loss_function.quality(learner)
        score = Score.of_losses(losses, fidelity, buckets=bucket_means(losses), **more)
        if score.ok and score.value > WORTHLESS * start:
            reason = f"validation loss is {score.value:.4g}, worse than {start:.4g} before training"
            return Score.failure(reason, fidelity, **more)
        return score

    def _fidelity(self) -> Fidelity:
        settings = self.settings
        return Fidelity(
            steps=self.step,
            seconds=round(self.seconds, 3),
            width=settings.width,
            latent=settings.latent,
            batch=self.recipe.batch,
            seed=settings.seed,
            data=self.data.name,
            device=settings.compute.device,
            precision=self.hardware.precision,
            compiled=settings.compute.compiled,
            micro_batch=self.gradient.micro_batch,
            settings=settings.digest(),
        )


def check_ready(settings: TrainingSettings) -> None:
    """Raise :class:`WalkbenchError` now where no run of ``settings`` could start.

    That is: for data that cannot be read, a teacher that is not there, and for a device or
    precision that this machine lacks.
    """
    objective = settings.recipe.objective
    if isinstance(objective, ReadsFiles):
        objective.check_files()
    settings.data.load(settings.latent)
    Hardware.of(settings.compute.device, settings.compute.precision)


def train_run(run: TrainingRun, callbacks: Sequence[Callback] = ()) -> Score:
    """Train ``run`` on the CPU threads that it asks for, and return its score.

    A diverged run gives a failed score. Raises :class:`WalkbenchError` as :class:`Trainer` does.
    """
    with cpu_threads(run.settings.compute.threads):
        return Trainer(run, callbacks).train()
