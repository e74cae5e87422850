"""Modules of the blocks that only decoders have."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space.blocks import decoder as blocks
from search_space.blocks.resample import Resample as Resampling
from search_space.conv import conv3x3
from search_space.modules.activations import ACTIVATIONS
from search_space.modules.registry import module_of
from search_space.modules.resample import Resample

CLAMP = 3.0  # DecoderTiny of diffusers: tanh(x / 3) · 3


@module_of(blocks.PlainResBlock)
class PlainResBlock(nn.Module):
    """Two convolutions behind activations, the last ``norms`` of them normed, and a shortcut."""

    def __init__(self, block: blocks.PlainResBlock):
        super().__init__()
        norm, hidden = block.norm, block.hidden
        self.act = ACTIVATIONS[norm.activation]()
        self.norm1: nn.Module = nn.Identity()
        self.norm2: nn.Module = nn.Identity()
        if block.norms == 2:
            self.norm1 = nn.GroupNorm(norm.groups, block.in_channels, eps=norm.eps)
        if block.norms:
            self.norm2 = nn.GroupNorm(norm.groups, hidden, eps=norm.eps)
        self.conv1 = conv3x3(block.in_channels, hidden, block.conv)
        self.conv2 = conv3x3(hidden, block.out_channels, block.conv)
        same = block.in_channels == block.out_channels
        self.shortcut = (
            nn.Identity() if same else nn.Conv2d(block.in_channels, block.out_channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C_out, H, W)."""
        h: Tensor = self.conv1(self.act(self.norm1(x)))  # (B, hidden, H, W)
        h = self.conv2(self.act(self.norm2(h)))  # (B, C_out, H, W)
        out: Tensor = h + self.shortcut(x)
        return out


@module_of(blocks.MapAttention)
class MapAttention(nn.Module):
    """One head over the positions of a map; all four projections have biases."""

    def __init__(self, block: blocks.MapAttention):
        super().__init__()
        width = block.channels
        self.norm = nn.GroupNorm(block.groups, width, eps=block.eps)
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)  # (B, H·W, C)
        q, k, v = (proj(tokens).unsqueeze(1) for proj in (self.q, self.k, self.v))
        seen = F.scaled_dot_product_attention(q, k, v).squeeze(1)  # (B, H·W, C)
        # x first: the sum then has its layout, and what follows copies nothing
        out: Tensor = x + self.out(seen).transpose(1, 2).reshape(x.shape)
        return out


@module_of(blocks.UpsampleConv)
class UpsampleConv(nn.Module):
    """Nearest neighbour, then the convolution that may narrow the map."""

    def __init__(self, block: blocks.UpsampleConv):
        super().__init__()
        self.repeat = Resample(Resampling("up", block.in_channels, block.size, None))
        if block.conv.kind == "dense":
            self.conv: nn.Module = nn.Conv2d(
                block.in_channels, block.out_channels, 3, padding=1, bias=block.bias
            )
        else:
            self.conv = conv3x3(block.in_channels, block.out_channels, block.conv)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C_out, 2H, 2W)."""
        out: Tensor = self.conv(self.repeat(x))
        return out


@module_of(blocks.TinyIn)
class TinyIn(nn.Module):
    """Soft clamp, convolution, activation."""

    def __init__(self, block: blocks.TinyIn):
        super().__init__()
        self.conv = nn.Conv2d(block.in_channels, block.out_channels, 3, padding=1)
        self.act = ACTIVATIONS[block.activation]()

    def forward(self, x: Tensor) -> Tensor:
        """(B, z, H, W) to (B, C, H, W)."""
        out: Tensor = self.act(self.conv(torch.tanh(x / CLAMP) * CLAMP))
        return out


@module_of(blocks.TinyBlock)
class TinyBlock(nn.Module):
    """`AutoencoderTinyBlock` of diffusers: the sum passes a ReLU whatever the activation is."""

    def __init__(self, block: blocks.TinyBlock):
        super().__init__()
        hidden = block.hidden
        self.act = ACTIVATIONS[block.activation]()
        self.conv1 = conv3x3(block.in_channels, hidden, block.conv)
        self.conv2 = conv3x3(hidden, hidden, block.conv)
        self.conv3 = conv3x3(hidden, block.out_channels, block.conv)
        same = block.in_channels == block.out_channels
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Conv2d(block.in_channels, block.out_channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C_out, H, W)."""
        h = self.act(self.conv2(self.act(self.conv1(x))))  # (B, hidden, H, W)
        return F.relu(self.conv3(h) + self.shortcut(x))


@module_of(blocks.TinyOut)
class TinyOut(nn.Module):
    """Convolution, then 0 … 1 becomes −1 … 1."""

    def __init__(self, block: blocks.TinyOut):
        super().__init__()
        self.conv = nn.Conv2d(block.in_channels, block.out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to a picture, (B, 3, H, W)."""
        half: Tensor = self.conv(x)
        return half + half - 1  # a factor of 2 would be folded into the exported weights
