"""`BundleTrainer`: trains the network of an export by its `train.yaml`.

Its steps are those of a proxy (:mod:`proxies.step`); data, loss and validation are those of a
:class:`proxies.bundle_training.task.Task`, one for each kind of network. A batch depends on seed
and step alone, so a run that was stopped and goes on shows the same losses to the last digit on a
CPU with one thread.
"""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from proxies.bundle_training.checkpoints import Checkpoints
from proxies.bundle_training.logs import Logs
from proxies.bundle_training.processes import Processes
from proxies.bundle_training.task import Task
from proxies.callbacks import Progress
from proxies.checkpoint import OWN
from proxies.distillation.lora import merged
from proxies.draw import Draw
from proxies.ema import PowerEMA
from proxies.gradient import Gradient
from proxies.hardware import compiled
from proxies.last_good import LastGood
from proxies.objectives.protocol import Remembers, Watched
from proxies.optimizers import OPTIMIZERS
from proxies.recipe import Recipe
from proxies.step import TrainingStep
from proxies.train_config import AnyTrainConfig
from search_space.errors import WalkbenchError
from search_space.network import Network

DIVERGED = 10.0  # loss over that of a prediction of nothing
# What says how to look at a run, or where something lies that the identity names by its content.
_MAY_CHANGE = ("guidance", "validation_images", "encoder", "cache")
Watcher = Callable[["BundleTrainer"], None]


class BundleTrainer:
    """A training that starts, or goes on from the newest checkpoint below ``folder``.

    ``stop`` is asked after every step. ``watchers`` are called after every step in the main
    process, before a checkpoint is saved.
    """

    def __init__(
        self,
        task: Task,
        config: AnyTrainConfig,
        folder: Path,
        processes: Processes,
        *,
        stop: Callable[[], bool] = lambda: False,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        _check_batch(config, processes)
        self.task, self.config, self.folder, self.processes = task, config, folder, processes
        self.stop, self.watchers = stop, watchers
        self.hardware = task.hardware
        self.learner = task.learner.to(self.hardware.device)
        if config.compute.gradient_checkpointing:
            task.recompute()
        self.take = self._steps()
        self.last_good = LastGood(self.take)
        self.checkpoints = Checkpoints(folder / "checkpoints", config.run.keep)
        self.step, self.seconds, self.loss = 0, 0.0, float("nan")
        self.validated: dict[str, float] = {}
        self.stopped, self.ended = False, ""
        self._restore()

    def _steps(self) -> TrainingStep:
        optimizer, run = self.config.optimizer, self.config.run
        recipe = Recipe(
            batch=run.batch,
            learning_rate=optimizer.learning_rate,
            warm_up=optimizer.warm_up,
            cooldown=optimizer.cooldown,
            betas=(optimizer.beta1, optimizer.beta2),
            weight_decay=optimizer.weight_decay,
            clip=optimizer.clip,
            ema_sigma=optimizer.ema_sigma,
            optimizer=optimizer.name,
        )
        alike = dict.fromkeys((name for name, _ in self.learner.named_parameters()), 1.0)
        stepper = OPTIMIZERS.get(optimizer.name)(recipe, self.learner, alike)
        forward = compiled(self.learner) if self.config.compute.compile else self.learner
        gradient = Gradient(
            lambda part: self.task.loss(forward, part),
            stepper.flat,
            self.hardware,
            self.task.share // run.accumulate,
            accumulate=True,
        )
        ema = PowerEMA(list(stepper.flat.weights), optimizer.ema_sigma)
        take = TrainingStep(recipe, gradient, stepper, ema, self.processes.mean)
        if isinstance(self.task.loss_function, Remembers):
            take.after = self.task.loss_function.stepped
        return take

    @property
    def done(self) -> bool:
        """Whether the run is at its end: all steps are taken, or its objective ended it."""
        return self.step >= self.config.run.steps or bool(self.ended)

    @property
    def validation_loss(self) -> float | None:
        """The last step's, None where it was not validated."""
        return self.validated.get("validation_loss")

    @property
    def progress(self) -> Progress:
        """Where the run is."""
        share = self.step / self.config.run.steps
        return Progress(self.step, self.seconds, share, self.loss, self.validation_loss)

    def train(self) -> None:
        """Train to the last step, or until a process is asked to stop; then save.

        Raises :class:`WalkbenchError` when memory runs out, a loss is no number or grows tenfold,
        or a checkpoint cannot be written.
        """
        columns = self.task.columns
        logs = Logs(self.folder, self.step, columns) if self.processes.is_main else None
        self.learner.train()
        run = self.config.run
        try:
            with self.hardware.training(), ThreadPoolExecutor(1) as reader:
                coming: Future[Draw] = reader.submit(self.task.draw, self.step)
                while not self.done and not self.stopped:
                    began = time.perf_counter()
                    draw = self.task.extended(coming.result(), self.step)
                    if self.step + 1 < run.steps:
                        coming = reader.submit(self.task.draw, self.step + 1)
                    loss = self.take(draw, self.step, self.step / run.steps)
                    self.loss, self.stopped = self.processes.agreed(loss, self.stop())
                    self.step += 1
                    self.seconds += time.perf_counter() - began
                    self._after(logs)
        finally:
            if logs is not None:
                logs.close()

    def _watch(self) -> None:
        """End with the last good weights where the objective says that later ones are worse."""
        loss = self.task.loss_function
        if not isinstance(loss, Watched):
            return
        why = loss.ended()
        if not why and math.isfinite(self.loss):
            if loss.is_well():
                self.last_good.keep(self.step)
        elif self.last_good.step:
            self.last_good.put_back()
            why = why or f"training loss is {self.loss:.4g} at step {self.step:,}"
            self.ended = f"{why}; the weights of step {self.last_good.step:,} are kept"

    def _after(self, logs: Logs | None) -> None:
        self._watch()
        run, last = self.config.run, self.done or self.stopped
        if not self.ended and not self.loss < DIVERGED * self.task.flat:  # also nan
            before = self.checkpoints.found()
            kept = f"; {str(before[-1])!r} is kept" if before else ""
            raise WalkbenchError(
                f"training loss is {self.loss:.4g} at step {self.step:,}{kept}; lower "
                "optimizer.learning_rate"
            )
        due = self.step % run.validate_every == 0 or self.done
        self.validated = self.validate() if due and logs is not None else {}
        if logs is not None:
            if last or due or self.step % run.log_every == 0:
                logs.add(self._row())
            for watcher in self.watchers:
                watcher(self)
            if last or self.step % run.checkpoint_every == 0:
                self.checkpoints.save(self.step, self._tensors(), self._facts())
        if last or due:
            self.processes.wait()

    def _row(self) -> dict[str, Any]:
        run, recipe = self.config.run, self.take.recipe
        rate = recipe.learning_rate * recipe.rate_share(self.step - 1, (self.step - 1) / run.steps)
        row = {
            "step": self.step,
            "loss": self.loss,
            "rate": rate,
            "seconds": round(self.seconds, 3),
            "pictures_per_second": round(self.step * run.batch / self.seconds, 2),
        }
        return row | self.validated

    def validate(self) -> dict[str, float]:
        """Return the validation loss of the averaged weights, and what the task measures."""
        with self.take.averaged(), self.hardware.validating():
            return self.task.validate()

    def averages(self) -> dict[str, Tensor]:
        """Return the averaged weights of the learner by name, on the CPU."""
        with self.take.averaged():
            state = {k: v.detach().cpu().clone() for k, v in self.learner.state_dict().items()}
        return merged(self.learner, state)

    def _tensors(self) -> dict[str, Tensor]:
        found, loss = self.take.tensors(), self.task.loss_function
        if isinstance(loss, Remembers):
            found |= {f"{OWN}{name}": held for name, held in loss.state().items()}
        return found

    def _identity(self) -> dict[str, Any]:
        """What must agree for a run to go on; how long and how often may change."""
        sections = asdict(self.config)
        own = ("steps", "batch", "seed") if self.config.optimizer.cooldown else ("batch", "seed")
        return {
            "spec": _spec_of(self.learner).digest(),
            "data": self.task.data_name,
            "pictures": self.task.pictures,
            "precision": self.hardware.precision,
            **{f"run.{key}": sections["run"][key] for key in own},
            **{
                f"{name}.{key}": value
                for name in sections
                if name not in ("run", "compute", "recipe")  # the task names the recipe's content
                for key, value in sections[name].items()
                if key not in _MAY_CHANGE
            },
            **self.task.identity(),
        }

    def _facts(self) -> dict[str, Any]:
        return {
            "identity": self._identity(),
            "seconds": self.seconds,
            "averaged_steps": self.take.ema.steps,
            "loss": self.loss,
            "validated": self.validated,
            **({"ended": self.ended} if self.ended else {}),
        }

    def _restore(self) -> None:
        found = self.checkpoints.newest()
        if found is None:
            return
        tensors, facts = found
        here, there = self._identity(), facts["identity"]
        for name in here | there:
            if here.get(name) != there.get(name):
                raise WalkbenchError(
                    f"{str(self.folder)!r} holds another run: {name} is {there.get(name)!r} there "
                    f"and {here.get(name)!r} here; name another folder with --to, or remove it"
                )
        self.take.put(tensors, facts["averaged_steps"])
        if isinstance(self.task.loss_function, Remembers):
            own = {k.removeprefix(OWN): v for k, v in tensors.items() if k.startswith(OWN)}
            self.task.loss_function.load(own)
        self.step, self.seconds, self.loss = facts["step"], facts["seconds"], facts["loss"]
        self.ended = facts.get("ended", "")
        self.validated = facts.get("validated", {})


def _spec_of(learner: nn.Module) -> Network:
    spec: Network = learner.spec  # type: ignore[assignment]  # every task's learner has one
    return spec


def _check_batch(config: AnyTrainConfig, processes: Processes) -> None:
    run, parts = config.run, processes.count * config.run.accumulate
    if run.batch % parts:
        raise WalkbenchError(
            f"run.batch is {run.batch}, which {processes.count} processes in {run.accumulate} "
            f"parts each cannot share; use a multiple of {parts}"
        )
