"""`Task`: what the network of an export learns, as the one loop of all kinds sees it.

:class:`VelocityTask` is of UNets (flow matching), :class:`proxies.bundle_training.pictures
.PictureTask` of decoders (reconstruction).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from torch import Tensor, nn

from proxies.bundle_training.data import Loaded
from proxies.bundle_training.draws import Draws
from proxies.bundle_training.learner import BundleLearner
from proxies.draw import Draw
from proxies.flow_matching import Moments
from proxies.hardware import Hardware
from proxies.objectives import FlowMatching
from proxies.objectives.protocol import Forward, ReadsFiles, Setup
from proxies.recipe import Budget, Recipe
from proxies.setting import as_dict_of_kind
from proxies.train_config import TrainConfig
from proxies.training_run import TrainingSettings
from proxies.validation import ValidationSet, validation_losses, validation_set
from proxies.velocity_loss import VelocityLoss
from search_space.initialise import stream


class Task(Protocol):
    """A learner on its hardware, its data and its loss.

    ``flat`` is the loss of a prediction of nothing: training far above it has diverged. ``columns``
    name what :meth:`validate` measures beside the loss. ``data`` names the data, of which training
    has ``pictures``. ``share`` is how many samples this process has of a batch.
    """

    @property
    def learner(self) -> nn.Module: ...  # noqa: D102

    @property
    def hardware(self) -> Hardware: ...  # noqa: D102

    @property
    def flat(self) -> float: ...  # noqa: D102

    @property
    def columns(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def data_name(self) -> str: ...  # noqa: D102

    @property
    def pictures(self) -> int: ...  # noqa: D102

    @property
    def share(self) -> int: ...  # noqa: D102

    @property
    def loss_function(self) -> object:
        """The loss, which may remember or be watched (:mod:`proxies.objectives.protocol`)."""

    def recompute(self) -> None:
        """Compute activations again in the backward pass, instead of keeping them."""
        ...

    def draw(self, step: int) -> Draw:
        """Return this process's share of the batch of ``step``, on the CPU."""
        ...

    def extended(self, draw: Draw, step: int) -> Draw:
        """Return ``draw`` with what its loss adds; called where the training runs."""
        ...

    def loss(self, forward: Forward, part: Draw) -> Tensor:
        """Return the mean loss of a part of a draw; differentiable, ()."""
        ...

    def validate(self) -> dict[str, float]:
        """Return ``validation_loss`` and the ``columns`` of the learner as it is."""
        ...

    def identity(self) -> dict[str, Any]:
        """Return what must agree for a run to go on, beside its settings."""
        ...


@dataclass(frozen=True, eq=False)
class VelocityTask:
    """A UNet learns velocities, by a teacher perhaps; ``empty`` is the text of no caption."""

    learner: BundleLearner
    data: Loaded
    config: TrainConfig
    hardware: Hardware
    empty: Tensor
    rank: int = 0
    processes: int = 1

    columns = ()

    def __post_init__(self) -> None:
        self.learner.to(self.hardware.device)
        _ = self.loss_function  # a projector is added before weights are laid out

    @cached_property
    def loss_function(self) -> VelocityLoss:
        """The loss of the recipe's training method; a teacher is loaded here."""
        run, spec = self.config.run, self.learner.spec
        objective = self.config.recipe.objective()
        rate = self.config.optimizer.learning_rate
        recipe = Recipe(batch=run.batch, learning_rate=rate, objective=objective)
        settings = TrainingSettings(
            Budget(steps=run.steps), latent=spec.latent_size, seed=run.seed, recipe=recipe
        )
        held, data = self.validation, self.data.train
        found = objective.prepare(
            Setup(settings.run(spec), data, held, self.learner, self.hardware)
        )
        assert isinstance(found, VelocityLoss)
        return found

    @cached_property
    def draws(self) -> Draws:
        """The batches."""
        classes = self.learner.spec.conditions.classes
        return Draws(self.data, self.config, self.empty, classes, self.rank, self.processes)

    @cached_property
    def validation(self) -> ValidationSet:
        """The held-out samples."""
        count = self.config.data.validation_images
        return validation_set(self.learner.spec.latent_size, count, self.data.validation)

    @property
    def flat(self) -> float:
        """That of a velocity of zero."""
        return 1 + self.data.train.moments.variance

    @property
    def moments(self) -> Moments | None:
        """Mean and variance whose linear guess the network adds to."""
        found: Moments | None = self.learner.unet._moments
        return found

    @property
    def data_name(self) -> str:
        """The content of the data."""
        return self.data.train.name

    @property
    def pictures(self) -> int:
        """Those that are trained on."""
        return len(self.data.train)

    @property
    def share(self) -> int:
        """See :class:`Task`."""
        return self.draws.share

    def recompute(self) -> None:
        """See :class:`Task`."""
        self.learner.unet.enable_gradient_checkpointing()

    def draw(self, step: int) -> Draw:
        """See :class:`Task`."""
        return self.draws(step)

    def extended(self, draw: Draw, step: int) -> Draw:
        """Add what the loss needs, from a stream of this step and process."""
        place = stream(self.config.run.seed, f"recipe {step} {self.rank}")
        return self.loss_function.extended(draw, place)

    def loss(self, forward: Forward, part: Draw) -> Tensor:
        """See :class:`Task`."""
        return self.loss_function.training(forward, part)

    def validate(self) -> dict[str, float]:
        """See :class:`Task`."""
        losses = validation_losses(self.learner, self.validation)
        return {"validation_loss": sum(losses) / len(losses)}

    def identity(self) -> dict[str, Any]:
        """Return the training method by the content of its files, where it is not the default."""
        objective = self.config.recipe.objective()
        if objective == FlowMatching():
            return {}
        recipe = as_dict_of_kind(objective)
        if isinstance(objective, ReadsFiles):
            recipe |= objective.content()
        return {"recipe": recipe}
