"""Modules of resblocks and of the 1×1 conv that replaces one."""

import torch
from torch import Tensor, nn

from search_space.blocks import resblock as blocks
from search_space.conv import conv3x3
from search_space.modules.activations import ACTIVATIONS
from search_space.modules.registry import module_of


@module_of(blocks.ResBlock)
class ResBlock(nn.Module):
    """Two convolutions with the time embedding added between them, and a shortcut."""

    def __init__(self, block: blocks.ResBlock):
        super().__init__()
        channels, hidden, norm = block.in_channels + block.skip, block.hidden, block.norm
        self.act = ACTIVATIONS[norm.activation]()
        self.norm1 = nn.GroupNorm(norm.groups, channels, eps=norm.eps)
        self.conv1 = conv3x3(channels, hidden, block.conv)
        self.time = nn.Linear(block.time_width, hidden)
        self.norm2 = nn.GroupNorm(norm.groups, hidden, eps=norm.eps)
        self.conv2 = conv3x3(hidden, block.out_channels, block.conv)
        same = channels == block.out_channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, block.out_channels, 1)

    def forward(self, x: Tensor, time: Tensor, skip: Tensor | None = None) -> Tensor:
        """(B, C, H, W), skip (B, S, H, W), time (B, width) to (B, C_out, H, W)."""
        if skip is not None:
            x = torch.cat([x, skip], dim=1)  # (B, C + S, H, W)
        h: Tensor = self.conv1(self.act(self.norm1(x)))  # (B, hidden, H, W)
        h = h + self.time(self.act(time))[:, :, None, None]
        h = self.conv2(self.act(self.norm2(h)))  # (B, C_out, H, W)
        out: Tensor = h + self.shortcut(x)
        return out


@module_of(blocks.Fuse)
class Fuse(nn.Module):
    """1×1 conv over the stream and its skip, in place of a resblock."""

    def __init__(self, block: blocks.Fuse):
        super().__init__()
        self.conv = nn.Conv2d(block.in_channels + block.skip, block.out_channels, 1)

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """(B, C, H, W) and skip (B, S, H, W) to (B, C_out, H, W)."""
        out: Tensor = self.conv(x if skip is None else torch.cat([x, skip], dim=1))
        return out
