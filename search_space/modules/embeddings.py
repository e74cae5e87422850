"""Modules of the embeddings of time, conditions and text."""

import math

import torch
from torch import Tensor, nn

from search_space.blocks import embeddings as blocks
from search_space.blocks.norm import Activation
from search_space.modules.activations import ACTIVATIONS
from search_space.modules.registry import module_of


def sinusoid(t: Tensor, width: int) -> Tensor:
    """Return the sinusoidal embedding of ``t``, (B,), cosines first: (B, width).

    Frequencies 10000^(-i/(width/2)) (DDPM, arXiv 2006.11239), as in every Stable Diffusion UNet.
    """
    half = width // 2
    steps = torch.arange(half, device=t.device, dtype=torch.float32)
    frequencies = torch.exp(steps * -math.log(10000.0) / half)  # (half,), rounded as diffusers does
    angles = t[:, None].to(frequencies.dtype) * frequencies  # (B, half)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class Embedding(nn.Module):
    """Two linear layers around an activation: time and added embeddings end in it."""

    def __init__(self, in_width: int, width: int, activation: Activation):
        super().__init__()
        self.linear1 = nn.Linear(in_width, width)
        self.act = ACTIVATIONS[activation]()
        self.linear2 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_width) to (B, width)."""
        out: Tensor = self.linear2(self.act(self.linear1(x)))
        return out


@module_of(blocks.TimeEmbed)
class TimeEmbed(nn.Module):
    """Timesteps, (B,), to the time embedding, (B, width)."""

    def __init__(self, block: blocks.TimeEmbed):
        super().__init__()
        self.in_width = block.in_width
        self.mlp = Embedding(block.in_width, block.width, block.activation)

    def forward(self, timesteps: Tensor) -> Tensor:
        """(B,) to (B, width)."""
        wave = sinusoid(timesteps, self.in_width)
        out: Tensor = self.mlp(wave.to(self.mlp.linear1.weight.dtype))
        return out


@module_of(blocks.AddedEmbed)
class AddedEmbed(nn.Module):
    """Pooled text, (B, pooled), and size numbers, (B, ids), to an addition, (B, width)."""

    def __init__(self, block: blocks.AddedEmbed):
        super().__init__()
        self.size_width = block.size_width
        in_width = block.pooled_width + block.size_ids * block.size_width
        self.mlp = Embedding(in_width, block.width, block.activation)

    def forward(self, pooled: Tensor | None = None, size_ids: Tensor | None = None) -> Tensor:
        """Pooled text first, then one sinusoid per size number."""
        dtype, parts = self.mlp.linear1.weight.dtype, []
        if pooled is not None:
            parts.append(pooled.to(dtype))
        if size_ids is not None:
            waves = sinusoid(size_ids.flatten(), self.size_width)  # (B·ids, size_width)
            parts.append(waves.reshape(size_ids.shape[0], -1).to(dtype))
        out: Tensor = self.mlp(torch.cat(parts, dim=-1))
        return out


@module_of(blocks.ClassEmbed)
class ClassEmbed(nn.Embedding):
    """Class labels, (B,), to an addition to the time embedding, (B, width)."""

    def __init__(self, block: blocks.ClassEmbed):
        super().__init__(block.classes, block.width)

    def forward(self, classes: Tensor) -> Tensor:
        """(B,) to (B, width)."""
        return super().forward(classes)


@module_of(blocks.ContextProj)
class ContextProj(nn.Module):
    """Text tokens, (B, T, in), to what cross-attention reads, (B, T, width)."""

    def __init__(self, block: blocks.ContextProj):
        super().__init__()
        self.linear = nn.Linear(block.in_width, block.width)
        self.norm = nn.RMSNorm(block.width, eps=1e-5) if block.rms else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, in_width) to (B, T, width)."""
        out: Tensor = self.norm(self.linear(tokens))
        return out
