"""The first block of a site, which may read a skip: a resblock, or a 1×1 conv in its place."""

from typing import ClassVar

from search_space.blocks.block import Block, Input, feature_map, register_block
from search_space.blocks.norm import Norm
from search_space.conv import Conv
from search_space.errors import SpecError
from search_space.frozen import frozen
from search_space.limits import LARGEST


@register_block
@frozen
class ResBlock(Block):
    """Norm-act-conv, time embedding, norm-act-conv, shortcut; reads a skip when ``skip`` > 0."""

    kind: ClassVar[str] = "resblock"
    in_channels: int
    skip: int
    out_channels: int
    size: int
    time_width: int
    conv: Conv
    norm: Norm

    def __post_init__(self) -> None:
        if not 0 < self.hidden <= LARGEST:
            raise SpecError(
                f"conv.expansion {self.conv.expansion} gives a hidden width of {self.hidden}; "
                f"1 to {LARGEST} are allowed"
            )
        self.norm.check(self.in_channels + self.skip, self.size, "the resblock input (with skip)")
        self.norm.check(self.hidden, self.size, "the resblock's hidden width")

    @property
    def hidden(self) -> int:
        """Channels between the two convolutions."""
        return self.conv.hidden(self.in_channels + self.skip, self.out_channels)

    def inputs(self) -> dict[str, Input]:
        """Return the feature map, the skip if there is one, the time embedding."""
        return {
            **_map_and_skip(self.in_channels, self.skip, self.size),
            "time": Input((self.time_width,)),
        }


@register_block
@frozen
class Fuse(Block):
    """1×1 conv in place of a removed resblock where widths differ or a skip is read."""

    kind: ClassVar[str] = "fuse"
    in_channels: int
    skip: int
    out_channels: int
    size: int

    def inputs(self) -> dict[str, Input]:
        """Return the feature map, and the skip if there is one."""
        return _map_and_skip(self.in_channels, self.skip, self.size)


def _map_and_skip(channels: int, skip: int, size: int) -> dict[str, Input]:
    x = {"x": feature_map(channels, size)}
    return {**x, "skip": feature_map(skip, size)} if skip else x
