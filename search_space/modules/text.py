"""Modules of text encoders; they run, but nothing here loads anybody's weights."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space.blocks import text as blocks
from search_space.modules.registry import module_of

EPS = {"layer": 1e-5, "rms": 1e-6}  # of CLIP; of T5 and Gemma
BUCKETS, FARTHEST = 32, 128  # of T5's relative positions
ROPE_BASE = 10000.0


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def _gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "quick_gelu": _quick_gelu,
    "gelu": F.gelu,
    "gelu_tanh": _gelu_tanh,
}


def text_norm(kind: str, width: int) -> nn.Module:
    """Return a LayerNorm or an RMSNorm of a token stream."""
    made = nn.LayerNorm if kind == "layer" else nn.RMSNorm
    return made(width, eps=EPS[kind])


@module_of(blocks.TextEmbedding)
class TextEmbedding(nn.Module):
    """Word numbers, (B, T), to the token stream, (B, T, width)."""

    def __init__(self, block: blocks.TextEmbedding):
        super().__init__()
        self.words = nn.Embedding(block.vocabulary, block.width)
        self.scale = math.sqrt(block.width) if block.scaled else 1.0
        self.places: nn.Parameter | None = None
        if block.positions == "learned":
            self.places = nn.Parameter(torch.zeros(block.tokens, block.width))

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) to (B, T, width)."""
        x: Tensor = self.words(tokens)
        if self.scale != 1.0:
            x = x * self.scale
        return x if self.places is None else x + self.places[: x.shape[1]]


@module_of(blocks.RelativePositions)
class RelativePositions(nn.Module):
    """The bias of attention, (heads, T, T), from T5's 32 buckets of distance, both directions."""

    def __init__(self, block: blocks.RelativePositions):
        super().__init__()
        self.table = nn.Embedding(BUCKETS, block.heads)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width) to (heads, T, T)."""
        place = torch.arange(x.shape[1], device=x.device)
        bias: Tensor = self.table(_buckets(place[None] - place[:, None]))  # (T, T, heads)
        return bias.permute(2, 0, 1)


def _buckets(distance: Tensor) -> Tensor:
    """Return T5's bucket of each distance: exact up to 8, logarithmic up to 128, each way."""
    half = BUCKETS // 2
    exact = half // 2
    far = distance.abs()
    steps = torch.log(far.float().clamp(min=1) / exact) / math.log(FARTHEST / exact)
    coarse = (exact + (steps * (half - exact)).long()).clamp(max=half - 1)
    return (distance > 0).long() * half + torch.where(far < exact, far, coarse)


@module_of(blocks.TextLayer)
class TextLayer(nn.Module):
    """One layer of a text encoder."""

    def __init__(self, block: blocks.TextLayer):
        super().__init__()
        self.block = block
        width, bias = block.width, block.bias
        inner, kv = block.heads * block.head_dim, block.kv_heads * block.head_dim
        self.norm1 = text_norm(block.norm, width)
        self.q = nn.Linear(width, inner, bias=bias)
        self.k = nn.Linear(width, kv, bias=bias)
        self.v = nn.Linear(width, kv, bias=bias)
        self.out = nn.Linear(inner, width, bias=bias)
        self.norm2 = text_norm(block.norm, width)
        self.gate = nn.Linear(width, block.ff_width, bias=bias) if block.gated else None
        self.up = nn.Linear(width, block.ff_width, bias=bias)
        self.down = nn.Linear(block.ff_width, width, bias=bias)
        self.after1 = text_norm(block.norm, width) if block.post_norms else nn.Identity()
        self.after2 = text_norm(block.norm, width) if block.post_norms else nn.Identity()

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """(B, T, width), bias (heads, T, T) to (B, T, width)."""
        x = x + self.after1(self._attend(self.norm1(x), bias))
        act = ACTIVATIONS[self.block.activation]
        y = self.norm2(x)
        hidden = act(self.up(y)) if self.gate is None else act(self.gate(y)) * self.up(y)
        out: Tensor = x + self.after2(self.down(hidden))
        return out

    def _attend(self, x: Tensor, bias: Tensor | None) -> Tensor:
        block = self.block
        q, k, v = (
            part(x).unflatten(-1, (heads, block.head_dim)).transpose(1, 2)  # (B, h, T, hd)
            for part, heads in (
                (self.q, block.heads),
                (self.k, block.kv_heads),
                (self.v, block.kv_heads),
            )
        )
        if block.positions == "rotary":
            q, k = _rotated(q, k)
        if block.kv_heads != block.heads:
            group = block.heads // block.kv_heads
            k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        scale = 1.0 if block.positions == "relative" else block.head_dim**-0.5  # T5 scales none
        if block.softcap is None:
            seen = F.scaled_dot_product_attention(
                q, k, v, attn_mask=bias, is_causal=block.causal, scale=scale
            )
        else:
            seen = self._capped(q * scale, k, v, block.softcap)
        out: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return out

    def _capped(self, q: Tensor, k: Tensor, v: Tensor, cap: float) -> Tensor:
        """Attention whose logits a tanh keeps within ±``cap``, as Gemma 2's."""
        logits = torch.tanh(q @ k.transpose(-1, -2) / cap) * cap  # (B, h, T, T)
        if self.block.causal:
            later = torch.full(logits.shape[-2:], -math.inf, device=q.device, dtype=q.dtype)
            logits = logits + later.triu(1)
        return logits.softmax(-1) @ v


def _rotated(q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """Turn halves of queries and keys, (B, h, T, hd), by their place (arXiv 2104.09864)."""
    half = q.shape[-1] // 2
    place = torch.arange(q.shape[-2], device=q.device, dtype=torch.float32)
    steps = torch.arange(half, device=q.device, dtype=torch.float32)
    angles = place[:, None] * ROPE_BASE ** (-steps / half)  # (T, hd/2)
    cos, sin = angles.cos().to(q.dtype), angles.sin().to(q.dtype)

    def turned(x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)

    return turned(q), turned(k)


@module_of(blocks.TextOutput)
class TextOutput(nn.Module):
    """The last norm."""

    def __init__(self, block: blocks.TextOutput):
        super().__init__()
        self.norm = text_norm(block.norm, block.width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width) to the same."""
        out: Tensor = self.norm(x)
        return out


@module_of(blocks.TextPooled)
class TextPooled(nn.Module):
    """Projection of one token."""

    def __init__(self, block: blocks.TextPooled):
        super().__init__()
        self.projection = nn.Linear(block.width, block.projection, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width) to (B, projection)."""
        out: Tensor = self.projection(x[:, -1])
        return out
