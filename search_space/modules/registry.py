"""The registry of block modules, and example tensors to call them with.

>>> import torch
>>> from search_space.blocks import ConvIn
>>> from search_space.modules import build, block_inputs
>>> build(ConvIn(4, 32, 16))(**block_inputs(ConvIn(4, 32, 16))).shape
torch.Size([1, 32, 16, 16])
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from search_space.blocks.block import Block, Input

M = TypeVar("M", bound=Callable[[Any], nn.Module])

MODULES: dict[str, Callable[[Any], nn.Module]] = {}  # by the block's kind


def module_of(*blocks: type[Block]) -> Callable[[M], M]:
    """Register a module class, constructed with the block, for these block classes.

    Its forward pass takes the block's :meth:`Block.inputs` by name.
    """

    def register(module: M) -> M:
        MODULES.update((block.kind, module) for block in blocks)
        return module

    return register


def build(block: Block) -> nn.Module:
    """Return the module of ``block``, on torch's current default device and dtype."""
    return MODULES[block.kind](block)


def block_inputs(block: Block, batch: int = 1) -> dict[str, Tensor]:
    """Return zeros that ``build(block)`` can be called with by name.

    On torch's default device and dtype.
    """
    return {
        name: torch.zeros(_shape(given, batch), dtype=torch.long if given.integer else None)
        for name, given in block.inputs().items()
    }


def example(given: Input, batch: int, generator: torch.Generator | None = None) -> Tensor:
    """Return a tensor for ``given``: its constant, else random with ``generator``, else zeros."""
    shape = _shape(given, batch)
    if given.integer:
        return torch.zeros(shape, dtype=torch.long)
    if given.constant is not None:
        return torch.full(shape, given.constant)
    return torch.zeros(shape) if generator is None else torch.randn(shape, generator=generator)


def _shape(given: Input, batch: int) -> tuple[int, ...]:
    return (batch, *given.shape) if given.batched else given.shape
