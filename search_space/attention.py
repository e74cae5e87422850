"""Attention of the transformer layers: multi-head to multi-query, QK norm, rotary positions.

One module serves self- and cross-attention. Key/value heads may be fewer than query heads; a single
one is broadcast, never copied. Rotary positions are two-dimensional: half of each head turns with
the row, half with the column; queries always turn, keys only in self-attention (text tokens have no
place in the image).

>>> import torch
>>> layer = Attention(inner=32, source=48, heads=4, kv_heads=1, qk_norm="rms")
>>> layer(torch.randn(1, 16, 32), torch.randn(1, 7, 48), rope_table(4, 4, 8)).shape
torch.Size([1, 16, 32])
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space.spec import QKNorm

QK_EPS = 1e-5  # diffusers' Attention default, which DreamLite's checkpoints use


def rope_table(
    height: int,
    width: int,
    head_dim: int,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return cosines and sines, (2, height·width, head_dim/2), of axial rotary positions.

    Frequencies 10000^(-i/n) as in RoFormer (arXiv 2104.09864), n = head_dim/4 per axis.
    """
    per_axis = head_dim // 4
    # frequencies and angles in float32 at least: half precision cannot tell neighbours apart
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    steps = torch.arange(per_axis, device=device, dtype=exact)
    frequencies = 10000.0 ** (-steps / per_axis)  # (n,)
    rows = torch.arange(height, device=device, dtype=exact)[:, None] * frequencies  # (H, n)
    columns = torch.arange(width, device=device, dtype=exact)[:, None] * frequencies  # (W, n)
    angles = torch.cat(
        [
            rows[:, None].expand(height, width, per_axis),
            columns[None].expand(height, width, per_axis),
        ],
        dim=-1,
    ).reshape(height * width, 2 * per_axis)  # (S, hd/2)
    return torch.stack([angles.cos(), angles.sin()]).to(dtype)


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Turn pairs of ``x``, (B, heads, S, hd), by ``table``, (2, S, hd/2)."""
    cos, sin = table[0], table[1]
    even, odd = torch.unflatten(x, -1, (-1, 2)).unbind(-1)  # (B, h, S, hd/2) each
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


def _qk_norm(kind: QKNorm, head_dim: int) -> nn.Module:
    if kind == "rms":
        return nn.RMSNorm(head_dim, eps=QK_EPS)
    if kind == "layer":
        return nn.LayerNorm(head_dim, eps=QK_EPS)
    return nn.Identity()


class Attention(nn.Module):
    """Queries from the stream, keys and values from ``source``-wide tokens; output bias only."""

    def __init__(self, inner: int, source: int, heads: int, kv_heads: int, qk_norm: QKNorm):
        super().__init__()
        head_dim = inner // heads
        self.heads, self.kv_heads = heads, kv_heads
        self.q = nn.Linear(inner, inner, bias=False)
        self.k = nn.Linear(source, kv_heads * head_dim, bias=False)
        self.v = nn.Linear(source, kv_heads * head_dim, bias=False)
        self.q_norm = _qk_norm(qk_norm, head_dim)
        self.k_norm = _qk_norm(qk_norm, head_dim)
        self.out = nn.Linear(inner, inner)

    def forward(self, x: Tensor, context: Tensor | None, rope: Tensor | None = None) -> Tensor:
        """Attend from ``x``, (B, S, inner), to ``context``, (B, T, source), or to ``x`` itself."""
        tokens = x if context is None else context
        q = self.q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, h, S, hd)
        k = self.k(tokens).unflatten(-1, (self.kv_heads, -1)).transpose(1, 2)  # (B, kv, T, hd)
        v = self.v(tokens).unflatten(-1, (self.kv_heads, -1)).transpose(1, 2)  # (B, kv, T, hd)
        q, k = self.q_norm(q), self.k_norm(k)
        if rope is not None:
            q = rotate(q, rope)
            k = rotate(k, rope) if context is None else k
        if self.kv_heads == 1:
            k, v = k.expand(-1, self.heads, -1, -1), v.expand(-1, self.heads, -1, -1)
        elif self.kv_heads != self.heads:
            group = self.heads // self.kv_heads
            k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        seen = F.scaled_dot_product_attention(q, k, v)  # (B, h, S, hd)
        out: Tensor = self.out(seen.transpose(1, 2).flatten(2))  # (B, S, inner)
        return out
