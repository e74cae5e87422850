"""The `nn.Module` of every block kind, and `build(block)` that makes it.

Modules hold no topology of their own: what follows what is decided by :mod:`search_space.plan`. All
are called alike, ``module(x, skip, time, context)``, except the few input embeddings.

>>> import torch
>>> from search_space.block import ConvIn
>>> build(ConvIn(4, 32, 16))(torch.zeros(1, 4, 16, 16), None, None, None).shape
torch.Size([1, 32, 16, 16])
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space import block as b
from search_space.attention import Attention, rope_table
from search_space.spec import Activation, Conv

STACK_EPS = 1e-6  # GroupNorm in front of a transformer stack (diffusers Transformer2DModel)
LAYER_EPS = 1e-5  # LayerNorm inside a layer (torch's default, used by all published UNets)

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
}


def sinusoid(t: Tensor, width: int) -> Tensor:
    """Return the sinusoidal embedding of ``t``, (B,), cosines first: (B, width).

    Frequencies 10000^(-i/(width/2)) (DDPM, arXiv 2006.11239), as in every Stable Diffusion UNet.
    """
    half = width // 2
    steps = torch.arange(half, device=t.device, dtype=torch.float32)
    frequencies = torch.exp(steps * -math.log(10000.0) / half)  # (half,), rounded as diffusers does
    angles = t[:, None].to(frequencies.dtype) * frequencies  # (B, half)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def conv3x3(in_channels: int, out_channels: int, conv: Conv, stride: int = 1) -> nn.Module:
    """Return a dense 3×3 conv, or a depthwise 3×3 followed by a pointwise 1×1."""
    if conv.kind == "dense":
        return nn.Conv2d(in_channels, out_channels, 3, stride, 1)
    return nn.Sequential(
        nn.Conv2d(
            in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=conv.depthwise_bias
        ),
        nn.Conv2d(in_channels, out_channels, 1, bias=conv.pointwise_bias),
    )


class Conv3x3(nn.Module):
    """Latents to features, or (with ``norm``) features to latents."""

    def __init__(self, block: b.ConvIn | b.ConvOut):
        super().__init__()
        if isinstance(block, b.ConvOut):
            self.norm: nn.Module = nn.GroupNorm(
                block.norm.groups, block.in_channels, eps=block.norm.eps
            )
            self.act = ACTIVATIONS[block.norm.activation]()
        else:
            self.norm, self.act = nn.Identity(), nn.Identity()
        self.conv = nn.Conv2d(block.in_channels, block.out_channels, 3, padding=1)

    def forward(
        self, x: Tensor, skip: Tensor | None, time: Tensor | None, context: Tensor | None
    ) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H, W)."""
        out: Tensor = self.conv(self.act(self.norm(x)))
        return out


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


class TimeEmbed(nn.Module):
    """Timesteps, (B,), to the time embedding, (B, width)."""

    def __init__(self, block: b.TimeEmbed):
        super().__init__()
        self.in_width = block.in_width
        self.mlp = Embedding(block.in_width, block.width, block.activation)

    def forward(self, timesteps: Tensor) -> Tensor:
        """(B,) to (B, width)."""
        wave = sinusoid(timesteps, self.in_width)
        out: Tensor = self.mlp(wave.to(self.mlp.linear1.weight.dtype))
        return out


class AddedEmbed(nn.Module):
    """Pooled text, (B, pooled), and size numbers, (B, ids), to an addition, (B, width)."""

    def __init__(self, block: b.AddedEmbed):
        super().__init__()
        self.size_width = block.size_width
        in_width = block.pooled_width + block.size_ids * block.size_width
        self.mlp = Embedding(in_width, block.width, block.activation)

    def forward(self, pooled: Tensor | None, size_ids: Tensor | None) -> Tensor:
        """Pooled text first, then one sinusoid per size number."""
        dtype, parts = self.mlp.linear1.weight.dtype, []
        if pooled is not None:
            parts.append(pooled.to(dtype))
        if size_ids is not None:
            waves = sinusoid(size_ids.flatten(), self.size_width)  # (B·ids, size_width)
            parts.append(waves.reshape(size_ids.shape[0], -1).to(dtype))
        out: Tensor = self.mlp(torch.cat(parts, dim=-1))
        return out


class ContextProj(nn.Module):
    """Text tokens, (B, T, in), to what cross-attention reads, (B, T, width)."""

    def __init__(self, block: b.ContextProj):
        super().__init__()
        self.linear = nn.Linear(block.in_width, block.width)
        self.norm = nn.RMSNorm(block.width, eps=1e-5) if block.rms else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, in_width) to (B, T, width)."""
        out: Tensor = self.norm(self.linear(tokens))
        return out


class ResBlock(nn.Module):
    """Two convolutions with the time embedding added between them, and a shortcut."""

    def __init__(self, block: b.ResBlock):
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

    def forward(
        self, x: Tensor, skip: Tensor | None, time: Tensor, context: Tensor | None
    ) -> Tensor:
        """(B, C, H, W), skip (B, S, H, W), time (B, width) to (B, C_out, H, W)."""
        if skip is not None:
            x = torch.cat([x, skip], dim=1)  # (B, C + S, H, W)
        h: Tensor = self.conv1(self.act(self.norm1(x)))  # (B, hidden, H, W)
        h = h + self.time(self.act(time))[:, :, None, None]
        h = self.conv2(self.act(self.norm2(h)))  # (B, C_out, H, W)
        out: Tensor = h + self.shortcut(x)
        return out


class Fuse(nn.Module):
    """1×1 conv over the stream and its skip, where no resblock does it."""

    def __init__(self, block: b.Fuse):
        super().__init__()
        self.conv = nn.Conv2d(block.in_channels + block.skip, block.out_channels, 1)

    def forward(
        self, x: Tensor, skip: Tensor | None, time: Tensor | None, context: Tensor | None
    ) -> Tensor:
        """(B, C, H, W) and skip (B, S, H, W) to (B, C_out, H, W)."""
        out: Tensor = self.conv(x if skip is None else torch.cat([x, skip], dim=1))
        return out


class FeedForward(nn.Module):
    """GEGLU: twice the hidden width in, half of it gates the other half."""

    def __init__(self, inner: int, hidden: int):
        super().__init__()
        self.gate = nn.Linear(inner, 2 * hidden)
        self.out = nn.Linear(hidden, inner)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, inner) to the same."""
        value, gate = self.gate(x).chunk(2, dim=-1)  # (B, S, hidden) each
        out: Tensor = self.out(value * F.gelu(gate))
        return out


class TransformerLayer(nn.Module):
    """Self-attention, cross-attention and feed-forward, those that the block has."""

    def __init__(self, block: b.TransformerLayer):
        super().__init__()
        inner, heads, kv = block.inner, block.heads, block.kv_heads
        self.self_attention = self.cross_attention = None
        self.replaces_stream = (
            not block.self_attention and block.without_self_attention == "norm"
        )  # DreamLite: a layer without self-attention goes on with norm1(x)
        if block.self_attention or self.replaces_stream:
            self.norm1 = nn.LayerNorm(inner, eps=LAYER_EPS)
        if block.self_attention:
            self.self_attention = Attention(inner, inner, heads, kv, block.qk_norm)
        if block.cross_attention:
            self.norm2 = nn.LayerNorm(inner, eps=LAYER_EPS)
            self.cross_attention = Attention(inner, block.context_width, heads, kv, block.qk_norm)
        self.norm3 = nn.LayerNorm(inner, eps=LAYER_EPS)
        self.ff = FeedForward(inner, block.ff_hidden)

    def forward(self, x: Tensor, context: Tensor | None, rope: Tensor | None) -> Tensor:
        """(B, S, inner), context (B, T, width), rope (2, S, hd/2) to (B, S, inner)."""
        if self.self_attention is not None:
            x = x + self.self_attention(self.norm1(x), None, rope)
        elif self.replaces_stream:
            x = self.norm1(x)
        if self.cross_attention is not None:
            x = x + self.cross_attention(self.norm2(x), context, rope)
        out: Tensor = x + self.ff(self.norm3(x))
        return out


class TransformerProjection(nn.Module):
    """What surrounds a stack's layers: norm, projection in, projection out, residual."""

    def __init__(self, block: b.TransformerProjection):
        super().__init__()
        self.norm = nn.GroupNorm(block.groups, block.channels, eps=STACK_EPS)
        self.proj_in = nn.Linear(block.channels, block.inner)
        self.proj_out = nn.Linear(block.inner, block.channels)

    def enter(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to tokens (B, H·W, inner)."""
        tokens: Tensor = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))
        return tokens

    def leave(self, tokens: Tensor, x: Tensor) -> Tensor:
        """Tokens (B, H·W, inner), residual x (B, C, H, W) to (B, C, H, W)."""
        out: Tensor = self.proj_out(tokens).transpose(1, 2).reshape(x.shape) + x
        return out

    def forward(
        self, x: Tensor, skip: Tensor | None, time: Tensor | None, context: Tensor | None
    ) -> Tensor:
        """The stack without layers: what the projections cost on their own."""
        return self.leave(self.enter(x), x)


class TransformerStack(nn.Module):
    """``depth`` layers over the tokens of a feature map."""

    def __init__(self, block: b.TransformerStack):
        super().__init__()
        self.head_dim = block.layer.head_dim if block.layer.rope else None
        self.projection = TransformerProjection(block.projection)
        self.layers = nn.ModuleList(TransformerLayer(block.layer) for _ in range(block.depth))

    def forward(
        self, x: Tensor, skip: Tensor | None, time: Tensor | None, context: Tensor | None
    ) -> Tensor:
        """(B, C, H, W), context (B, T, width) to (B, C, H, W)."""
        rope = None
        if self.head_dim is not None:
            rope = rope_table(x.shape[2], x.shape[3], self.head_dim, x.device, x.dtype)
        tokens = self.projection.enter(x)  # (B, H·W, inner)
        for layer in self.layers:
            tokens = layer(tokens, context, rope)
        return self.projection.leave(tokens, x)


class Resample(nn.Module):
    """Down: strided conv or average pool. Up: nearest neighbour, then conv or nothing."""

    def __init__(self, block: b.Resample):
        super().__init__()
        self.direction, self.has_conv = block.direction, block.conv is not None
        if block.conv is not None:
            stride = 2 if block.direction == "down" else 1
            self.conv = conv3x3(block.channels, block.channels, block.conv, stride)

    def forward(
        self, x: Tensor, skip: Tensor | None, time: Tensor | None, context: Tensor | None
    ) -> Tensor:
        """(B, C, H, W) to (B, C, H/2, W/2) or (B, C, 2H, 2W)."""
        if self.direction == "up":
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        elif not self.has_conv:
            x = F.avg_pool2d(x, 2)
        return self.conv(x) if self.has_conv else x


MODULES: dict[type[b.Block], Callable[[Any], nn.Module]] = {
    b.ConvIn: Conv3x3,
    b.ConvOut: Conv3x3,
    b.TimeEmbed: TimeEmbed,
    b.AddedEmbed: AddedEmbed,
    b.ClassEmbed: lambda block: nn.Embedding(block.classes, block.width),
    b.ContextProj: ContextProj,
    b.ResBlock: ResBlock,
    b.Fuse: Fuse,
    b.TransformerProjection: TransformerProjection,
    b.TransformerLayer: TransformerLayer,
    b.TransformerStack: TransformerStack,
    b.Resample: Resample,
}


def build(block: b.Block) -> nn.Module:
    """Return the module of ``block``, on torch's current default device and dtype."""
    return MODULES[type(block)](block)


def block_inputs(block: b.Block, batch: int = 1) -> tuple[Tensor | None, ...]:
    """Return zeros that ``build(block)`` can be called with, on torch's default device and dtype.

    Feature-map blocks take (x, skip, time, context); a layer takes (tokens, context, rope); the
    input embeddings take what their forward names.
    """

    def zeros(*shape: int) -> Tensor:
        return torch.zeros(batch, *shape)

    match block:
        case b.TimeEmbed():
            return (zeros(),)
        case b.ClassEmbed():
            return (torch.zeros(batch, dtype=torch.long),)
        case b.AddedEmbed():
            pooled = zeros(block.pooled_width) if block.pooled_width else None
            return (pooled, zeros(block.size_ids) if block.size_ids else None)
        case b.ContextProj():
            return (zeros(block.tokens, block.in_width),)
        case b.TransformerLayer():
            rope = None
            if block.rope:
                rope = torch.zeros(2, block.size**2, block.head_dim // 2)
            context = zeros(block.tokens, block.context_width) if block.cross_attention else None
            return (zeros(block.size**2, block.inner), context, rope)
        case b.TransformerStack():
            layer, projection = block.layer, block.projection
            x = zeros(projection.channels, projection.size, projection.size)
            has_context = layer.cross_attention
            context = zeros(layer.tokens, layer.context_width) if has_context else None
            return (x, None, None, context)
        case b.ConvIn() | b.ConvOut():
            return (zeros(block.in_channels, block.size, block.size), None, None, None)
        case b.Resample() | b.TransformerProjection():
            return (zeros(block.channels, block.size, block.size), None, None, None)
        case b.ResBlock() | b.Fuse():
            skip = zeros(block.skip, block.size, block.size) if block.skip else None
            x = zeros(block.in_channels, block.size, block.size)
            return (
                x,
                skip,
                zeros(block.time_width) if isinstance(block, b.ResBlock) else None,
                None,
            )
    raise TypeError(f"no inputs are known for {type(block).__name__}")
