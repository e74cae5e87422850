"""Samplers: halve or double the resolution between two stages."""

from typing import ClassVar, Literal

from search_space.blocks.block import Block, Input, feature_map, register_block
from search_space.conv import Conv
from search_space.frozen import frozen


@register_block
@frozen
class Resample(Block):
    """Halve or double the resolution; ``size`` is the input's; no ``conv``: pool or repeat."""

    kind: ClassVar[str] = "resample"
    direction: Literal["down", "up"]
    channels: int
    size: int
    conv: Conv | None

    def inputs(self) -> dict[str, Input]:
        """Return the feature map."""
        return {"x": feature_map(self.channels, self.size)}
