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
from proxies.objectives.protocol import Forward
from proxies.train_config import TrainConfig
from proxies.validation import ValidationSet, validation_losses, validation_set
from proxies.velocity_loss import velocity_error


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

    def recompute(self) -> None:
        """Compute activations again in the backward pass, instead of keeping them."""
        ...

    def draw(self, step: int) -> Draw:
        """Return this process's share of the batch of ``step``, on the CPU."""
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
    """Flow matching of a UNet; ``empty`` is the text of no caption."""

    learner: BundleLearner
    data: Loaded
    config: TrainConfig
    hardware: Hardware
    empty: Tensor
    rank: int = 0
    processes: int = 1

    columns = ()

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

    def loss(self, forward: Forward, part: Draw) -> Tensor:
        """See :class:`Task`."""
        return velocity_error(forward, part, self.hardware)

    def validate(self) -> dict[str, float]:
        """See :class:`Task`."""
        losses = validation_losses(self.learner, self.validation)
        return {"validation_loss": sum(losses) / len(losses)}

    def identity(self) -> dict[str, Any]:
        """Nothing but its settings."""
        return {}
