"""`TrainingStep`: gradient, clipping, optimizer, averages. Every training takes its steps here.

Proxies (:mod:`proxies.trainer`) and `walkbench train` (:mod:`proxies.bundle_training`) differ in
their data, their networks and in who counts the steps, not in this.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor

from proxies.draw import Draw
from proxies.ema import PowerEMA
from proxies.flat import FlatParameters
from proxies.gradient import Gradient
from proxies.optimizers.protocol import Optimizer
from proxies.recipe import Recipe

Mean = Callable[[Sequence[Tensor]], None]


def alone(gradients: Sequence[Tensor]) -> None:
    """Leave gradients as they are: one process trains."""


def nothing(mean: Mean) -> None:
    """Do nothing after a step: the loss has no memory."""


@dataclass
class TrainingStep:
    """Takes steps of ``recipe``; ``mean`` replaces gradients by their mean over all processes.

    ``after`` is called at the end of every step, with ``mean``.
    """

    recipe: Recipe
    gradient: Gradient
    optimizer: Optimizer
    ema: PowerEMA
    mean: Mean = alone
    after: Callable[[Mean], None] = nothing

    @property
    def flat(self) -> FlatParameters:
        """The weights and their gradients."""
        return self.optimizer.flat

    def __call__(self, draw: Draw, number: int, spent: float) -> Tensor:
        """Take step ``number`` (from 0) on ``draw``; return the loss before it, ().

        ``spent`` is the share of the budget that is spent before it.
        """
        loss = self.gradient(draw)
        self.mean([weights.grad for weights in self.flat.weights if weights.grad is not None])
        self.flat.clip_gradients(self.recipe.clip)
        self.optimizer.step(self.recipe.rate_share(number, spent))
        self.ema.update(list(self.flat.weights))
        self.after(self.mean)
        return loss

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Lend the averaged weights in place of the latest ones."""
        kept = [weights.detach().clone() for weights in self.flat.weights]
        self.flat.copy_in(self.ema.averages)
        try:
            yield
        finally:
            self.flat.copy_in(kept)

    def tensors(self) -> dict[str, Tensor]:
        """Return weights, averages and the optimizer's state, for a checkpoint."""
        out = dict(self.optimizer.state())
        for i, weights in enumerate(self.flat.weights):
            out[f"weights.{i}"] = weights.detach()
            out[f"average.{i}"] = self.ema.averages[i]
        return out

    def put(self, tensors: dict[str, Tensor], averaged_steps: int) -> None:
        """Take over what :meth:`tensors` returned."""
        self.flat.copy_in([tensors[f"weights.{i}"] for i in range(len(self.flat.weights))])
        for i, average in enumerate(self.ema.averages):
            average.copy_(tensors[f"average.{i}"])
        self.optimizer.load(tensors)
        self.ema.steps = averaged_steps
