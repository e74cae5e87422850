"""The gradient of one step's loss, in one pass or, where memory is short, in parts.

No layer of a twin looks across samples, so the gradient of a batch is the mean of those of its
parts: a run that accumulates sees the same pictures and takes the same steps up to rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from proxies.draw import Draw
from proxies.flat import FlatParameters
from proxies.hardware import Hardware
from proxies.memory import allocator_says, free_memory, is_out_of_memory, largest_that_fits
from search_space.errors import WalkbenchError


@dataclass
class Gradient:
    """Puts the gradient of a draw's mean loss into ``flat``; ``loss`` gives that of a part.

    ``micro_batch`` samples pass through the network at once. When they turn out too many for the
    memory and ``accumulate`` is set, it shrinks and the step is done again.
    """

    loss: Callable[[Draw], Tensor]
    flat: FlatParameters
    hardware: Hardware
    micro_batch: int
    accumulate: bool = False

    def __call__(self, draw: Draw) -> Tensor:
        """Return the mean loss, its gradient left in the flat vectors.

        Raises :class:`WalkbenchError` when memory runs out, naming the batch that fits; with
        ``accumulate`` only if not even one sample does.
        """
        while True:
            try:
                return self._backward(draw, self.micro_batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                said = allocator_says(error)
            free_memory()  # not before the exception is gone: its frames hold the activations
            self.micro_batch = self._smaller(draw, said)

    def _smaller(self, draw: Draw, said: str) -> int:
        """Return the micro-batch that fits, or raise :class:`WalkbenchError` that names it."""
        tried, whole = self.micro_batch, len(draw)
        fits = largest_that_fits(lambda n: self._backward(draw.part(0, n), n), tried // 2)
        missing = f"{self.hardware.device} has too little memory for a batch of {tried} ({said})"
        if not fits:
            raise WalkbenchError(
                f"{missing} and even for a batch of 1; use a smaller width or latent"
            )
        if not self.accumulate:
            raise WalkbenchError(
                f"{missing}; a batch of {fits} fits: train with that, or accumulate to train with "
                f"{whole} in parts of {fits}"
            )
        return fits

    def _backward(self, draw: Draw, size: int) -> Tensor:
        """Add up the gradients of parts of ``size`` samples; return the mean loss of all."""
        self.flat.zero_gradients()
        total = torch.zeros((), device=self.hardware.device)
        for start in range(0, len(draw), size):
            part = draw.part(start, size).map(self.hardware.put)
            loss = self.loss(part) * (len(part) / len(draw))
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total
