"""`TrainingData`: what training and validation need of a data set.

Pictures made from a seed, a user's pictures and cached latents all fit this protocol, so the
trainer knows none of them. A data set is read by row numbers alone and draws nothing at random: the
order of the rows belongs to the run's own stream, which is why every candidate and every worker
with one seed sees the same batches.

>>> from proxies.data.dataset import shapes
>>> data: TrainingData = shapes("train", count=4, size=24)
>>> x0, text, labels = data.batch(torch.tensor([3, 0]))
>>> x0.shape, text.shape, labels.shape
(torch.Size([2, 3, 24, 24]), torch.Size([2, 12]), torch.Size([2]))
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from proxies.flow_matching import Moments


class Batch(NamedTuple):
    """Some rows of a data set, on the CPU.

    ``x0`` are floats (B, C, S, S), channels last in memory; ``text`` is (B, T) word numbers or
    (B, T, W) embeddings; ``labels`` are class numbers (B,).
    """

    x0: Tensor
    text: Tensor
    labels: Tensor


class TrainingData(Protocol):
    """A captioned data set in memory or in files.

    ``name`` tells data sets apart by content: losses compare only within one. ``vocabulary`` counts
    the words that numbers stand for and is 0 where text comes as embeddings, ``text_width`` wide
    (0 for numbers).
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def size(self) -> int: ...  # noqa: D102

    @property
    def channels(self) -> int: ...  # noqa: D102

    @property
    def text_tokens(self) -> int: ...  # noqa: D102

    @property
    def text_width(self) -> int: ...  # noqa: D102

    @property
    def vocabulary(self) -> int: ...  # noqa: D102

    @property
    def moments(self) -> Moments: ...  # noqa: D102

    def __len__(self) -> int: ...

    def batch(self, rows: Tensor) -> Batch:
        """Return the rows with these numbers, (B,), in this order."""
        ...


def moments_of(data: TrainingData, rows: int = 1000) -> Moments:
    """Return mean and variance of all values of (at most the first thousand of) the rows."""
    values = data.batch(torch.arange(min(rows, len(data)))).x0.double()
    return Moments(values.mean().item(), values.var().item())
