"""Module of a sampler."""

import torch.nn.functional as F
from torch import Tensor, nn

from search_space.blocks import resample as blocks
from search_space.conv import conv3x3
from search_space.modules.registry import module_of


@module_of(blocks.Resample)
class Resample(nn.Module):
    """Down: strided conv or average pool. Up: nearest neighbour, then conv or nothing."""

    def __init__(self, block: blocks.Resample):
        super().__init__()
        self.direction, self.has_conv = block.direction, block.conv is not None
        if block.conv is not None:
            stride = 2 if block.direction == "down" else 1
            self.conv = conv3x3(block.channels, block.channels, block.conv, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H/2, W/2) or (B, C, 2H, 2W)."""
        if self.direction == "up":
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        elif not self.has_conv:
            x = F.avg_pool2d(x, 2)
        return self.conv(x) if self.has_conv else x
