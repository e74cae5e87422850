"""What an optimizer is to the trainer: a step at a share of its rate, and a state that is saved.

The weights lie in a few long vectors (:class:`proxies.flat.FlatParameters`), which the optimizer
makes: it decides which parameters share a vector. Clipping, the averaged weights and checkpoints
work on those vectors.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from torch import Tensor, nn

from proxies.flat import FlatParameters

if TYPE_CHECKING:
    from proxies.recipe import Recipe


class Optimizer(Protocol):
    """Moves the weights of one module along their gradients, which lie in ``flat``."""

    @property
    def flat(self) -> FlatParameters:
        """The weights and their gradients."""
        ...

    def step(self, share: float) -> None:
        """Take one step at ``share`` (0 to 1) of the recipe's learning rate."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return what a run needs to go on to the last bit, by names of its own; see `load`."""
        ...

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state; names that are not of this optimizer are left alone."""
        ...


OptimizerFactory = Callable[["Recipe", nn.Module, Mapping[str, float]], Optimizer]
