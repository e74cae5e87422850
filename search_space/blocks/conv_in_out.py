"""The two ends of a network: latents to features, and features to latents."""

from typing import ClassVar

from search_space.blocks.block import Block, Input, feature_map, register_block
from search_space.blocks.norm import Norm
from search_space.frozen import frozen


@register_block
@frozen
class ConvIn(Block):
    """3×3 conv from latents to the first stage's width."""

    kind: ClassVar[str] = "conv_in"
    in_channels: int
    out_channels: int
    size: int

    def inputs(self) -> dict[str, Input]:
        """Return the latents."""
        return {"x": feature_map(self.in_channels, self.size)}


@register_block
@frozen
class ConvOut(Block):
    """Norm, activation, 3×3 conv back to latents."""

    kind: ClassVar[str] = "conv_out"
    in_channels: int
    out_channels: int
    size: int
    norm: Norm

    def __post_init__(self) -> None:
        self.norm.check(self.in_channels, self.size, "the first stage's channels")

    def inputs(self) -> dict[str, Input]:
        """Return the feature map."""
        return {"x": feature_map(self.in_channels, self.size)}
