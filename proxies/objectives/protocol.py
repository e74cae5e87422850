"""What a training method is to the trainer: its settings, and the `Loss` they prepare.

>>> from proxies.objectives import FlowMatching
>>> isinstance(FlowMatching(), TrainingObjective)
True
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from proxies.data.training_data import TrainingData
    from proxies.draw import Draw
    from proxies.hardware import Hardware
    from proxies.score_parts import PictureQuality
    from proxies.training_run import TrainingRun
    from proxies.validation import ValidationSet

Forward: TypeAlias = "Callable[..., Tensor]"


@dataclass(frozen=True, eq=False)
class Setup:
    """A run made ready: its data, its twin in training and the hardware they meet on."""

    run: "TrainingRun"
    data: "TrainingData"
    validation: "ValidationSet"
    learner: "nn.Module"
    hardware: "Hardware"


class Loss(Protocol):
    """An objective bound to one run.

    ``start`` is the validation loss before training: training that ends above it, or far above it
    on the way, has diverged.
    """

    @property
    def start(self) -> float: ...  # noqa: D102

    def draw(self, generator: "torch.Generator") -> "Draw":
        """Draw the samples of one step on the CPU; all random numbers come from ``generator``."""
        ...

    def training(self, forward: "Forward", draw: "Draw") -> "Tensor":
        """Return the mean loss of ``draw``, which lies on the device; differentiable, ().

        ``forward`` is the twin, compiled perhaps. Only this is called in parts of a batch, so the
        losses of two samples must not depend on each other.
        """
        ...

    def validation(self, learner: "nn.Module") -> list[float]:
        """Return the loss of each validation sample, the same samples in every run."""
        ...


@runtime_checkable
class JudgesPictures(Protocol):
    """A loss that also says how good the pictures of the validation are."""

    def quality(self, learner: "nn.Module") -> "PictureQuality":
        """Return PSNR and SSIM of the validation pictures."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A loss that learns along: ratios of losses, a discriminator. Checkpoints keep its state."""

    def stepped(self, mean: "Callable[[Sequence[Tensor]], None]") -> None:
        """The network took a step; ``mean`` replaces tensors by their means over processes."""
        ...

    def state(self) -> "dict[str, Tensor]":
        """Return what a run needs to go on to the last bit, by names of its own."""
        ...

    def load(self, state: "Mapping[str, Tensor]") -> None:
        """Take over what :meth:`state` returned."""
        ...


@runtime_checkable
class Watched(Protocol):
    """A loss that may end a run whose later weights are worse than earlier ones."""

    def ended(self) -> str:
        """Return why the run should end with its last good weights; empty while it goes on."""
        ...

    def is_well(self) -> bool:
        """Whether the weights of this step are good ones."""
        ...


@runtime_checkable
class ReadsFiles(Protocol):
    """An objective whose result depends on files: a teacher's weights."""

    def content(self) -> dict[str, str | None]:
        """Return the digest of what lies at each path, by setting; None for what changes nothing.

        These take the place of the paths in digests of runs.
        """
        ...

    def check_files(self) -> None:
        """Raise :class:`WalkbenchError` now for a file that is not there."""
        ...


@runtime_checkable
class TrainingObjective(Protocol):
    """A frozen dataclass of JSON types: ``kind`` is its name, its fields are its settings."""

    kind: ClassVar[str]

    def prepare(self, setup: Setup) -> Loss:
        """Return the loss of one run; what is heavy (teachers, say) is loaded here."""
        ...
