"""`Draw`: the samples of one training step.

>>> import torch
>>> noise = torch.zeros(4, 3, 24, 24)
>>> draw = Draw(noise, noise, torch.zeros(4), torch.zeros(4, 12), torch.zeros(4))
>>> len(draw), len(draw.part(3, 2))
(4, 1)
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Draw:
    """Pictures, noise, times, captions and labels; subclasses may add more tensors, (B, …) each."""

    x0: Tensor  # (B, C, S, S)
    noise: Tensor  # (B, C, S, S)
    t: Tensor  # (B,)
    text: Tensor  # (B, T), or (B, T, W) for embeddings
    labels: Tensor  # (B,)

    def __len__(self) -> int:
        return len(self.t)

    def part(self, start: int, size: int) -> Self:
        """Return ``size`` samples (fewer at the end) from ``start`` on."""
        window = slice(start, start + size)
        return self.map(lambda tensor: tensor[window])

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the draw of ``function(tensor)`` for every tensor."""
        return type(self)(*(function(getattr(self, f.name)) for f in dataclasses.fields(self)))
