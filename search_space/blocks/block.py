"""`Block`: the base of all blocks, the registry of their kinds, and the key that names a block.

>>> from search_space.blocks import ConvIn
>>> ConvIn(4, 32, 16).key
'conv_in in_channels=4 out_channels=32 size=16'
>>> ConvIn(4, 32, 16).arguments
('x',)
"""

import dataclasses
from abc import ABC, abstractmethod
from functools import cache, cached_property
from typing import Any, ClassVar, TypeVar

from search_space.frozen import frozen


@frozen
class Input:
    """One tensor that a block or a network is called with.

    ``shape`` is without the batch, which comes first where ``batched``. Examples hold ``constant``
    where it is given, otherwise zeros or random values; ``integer`` inputs are zeros.
    """

    shape: tuple[int, ...]
    constant: float | None = None
    integer: bool = False
    batched: bool = True

    @cached_property
    def values(self) -> int:
        """Number of values at batch 1."""
        count = 1
        for size in self.shape:
            count *= size
        return count


class Block(ABC):
    """What every block has: a kind, a readable key, its inputs, and the parts it is priced by."""

    kind: ClassVar[str]

    @property
    def key(self) -> str:
        """One readable line that names the block; :func:`search_space.blocks.parse_key` reads it.

        Latency tables are keyed by it.
        """
        return _key(self)

    @abstractmethod
    def inputs(self) -> dict[str, Input]:
        """Return the arguments of the module's forward pass by name.

        ``x`` is the feature map or token stream, ``skip`` a saved feature map; ``time`` and
        ``context`` live throughout the forward pass of the network.
        """

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """Names of :meth:`inputs`, in order."""
        return tuple(self.inputs())

    def parts(self) -> tuple[tuple["Block", int], ...]:
        """Blocks that are priced, and measured, on their own, with how often each occurs."""
        return ((self, 1),)


B = TypeVar("B", bound=type[Block])

BLOCK_KINDS: dict[str, type[Block]] = {}


def register_block(cls: B) -> B:
    """Register a block class so that its keys parse; raises ``ValueError`` for a taken kind."""
    if cls.kind in BLOCK_KINDS:
        raise ValueError(f"a block of kind {cls.kind!r} is registered already")
    BLOCK_KINDS[cls.kind] = cls
    return cls


def feature_map(channels: int, size: int) -> Input:
    """Return the input of a square map: (B, channels, size, size)."""
    return Input((channels, size, size))


@cache
def _key(block: Any) -> str:
    words = [f"{name}={_text(value)}" for name, value in _flat(block, "")]
    return " ".join([block.kind, *words])


def _flat(value: Any, prefix: str) -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if dataclasses.is_dataclass(item):
            out += _flat(item, f"{prefix}{field.name}.")
        else:
            out.append((prefix + field.name, item))
    return out


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(int(value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
