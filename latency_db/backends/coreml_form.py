"""Modules in the form that converts well to Core ML: the same function, other operators.

Two things are changed before a module is exported, with the weights it has:

- **Grouped attention.** Key/value heads that serve several query heads would be copied (`tile`).
  The queries of a group are stacked along the sequence instead: softmax works row by row, so h
  heads of S queries against one key head are one head of h·S queries. Nothing is copied, and iOS 18
  still sees one `scaled_dot_product_attention`.
- **Layout "ane"** (optional). The Neural Engine likes (B, C, 1, S) with 1×1 convolutions instead of
  linears and attention one head at a time (Apple, "Deploying Transformers on the Apple Neural
  Engine", 2022). Keys are then transposed inside the matrix product, where it costs nothing.

>>> import torch
>>> from search_space.attention import Attention
>>> layer = Attention(inner=32, source=32, heads=4, kv_heads=1, qk_norm="rms")
>>> x = torch.randn(1, 16, 32)
>>> torch.allclose(export_form(torch.nn.ModuleList([layer]))[0](x, None), layer(x, None), atol=1e-5)
True
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space.attention import Attention, rotate
from search_space.modules import (
    FeedForward,
    TransformerLayer,
    TransformerProjection,
    TransformerStack,
)

Layout = Literal["standard", "ane"]


def export_form(module: nn.Module, layout: Layout = "standard") -> Any:
    """Return ``module`` with its attention (and, for "ane", its transformer layers) rewritten.

    The module itself is left as it is; the copy shares its weights where their shape stays.
    """
    kinds: dict[type[nn.Module], Any] = {Attention: GroupedAttention}
    if layout == "ane":
        kinds = {
            TransformerLayer: AneLayer,
            TransformerProjection: AneProjection,
            TransformerStack: AneStack,
        }
    return _rewritten(module, kinds)


def _rewritten(module: nn.Module, kinds: dict[type[nn.Module], Any]) -> nn.Module:
    if type(module) in kinds:
        made: nn.Module = kinds[type(module)](module)
        return made
    copy = module.__class__.__new__(module.__class__)
    copy.__dict__ = dict(module.__dict__)
    copy._modules = {
        name: None if child is None else _rewritten(child, kinds)
        for name, child in module._modules.items()
    }
    return copy


class GroupedAttention(nn.Module):
    """`Attention` with the queries of a key/value head stacked along the sequence."""

    def __init__(self, attention: Attention):
        super().__init__()
        self.heads, self.kv_heads = attention.heads, attention.kv_heads
        self.q, self.k, self.v, self.out = attention.q, attention.k, attention.v, attention.out
        self.q_norm, self.k_norm = attention.q_norm, attention.k_norm

    def forward(self, x: Tensor, context: Tensor | None, rope: Tensor | None = None) -> Tensor:
        """(B, S, inner), context (B, T, source) or None, rope (2, S, hd/2) to (B, S, inner)."""
        tokens = x if context is None else context
        kv, group = self.kv_heads, self.heads // self.kv_heads
        q = self.q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, h, S, hd)
        k = self.k(tokens).unflatten(-1, (kv, -1)).transpose(1, 2)  # (B, kv, T, hd)
        v = self.v(tokens).unflatten(-1, (kv, -1)).transpose(1, 2)  # (B, kv, T, hd)
        q, k = self.q_norm(q), self.k_norm(k)
        if rope is not None:
            q = rotate(q, rope)
            k = rotate(k, rope) if context is None else k
        batch, sequence, head_dim = x.shape[0], x.shape[1], q.shape[-1]
        if group > 1:
            q = q.reshape(batch, kv, group * sequence, head_dim)  # (B, kv, g·S, hd)
        out = F.scaled_dot_product_attention(q, k, v)
        if group > 1:
            out = out.reshape(batch, self.heads, sequence, head_dim)  # (B, h, S, hd)
        mixed: Tensor = self.out(out.transpose(1, 2).flatten(2))  # (B, S, inner)
        return mixed


class AneLayer(nn.Module):
    """`TransformerLayer` on a stream (B, C, 1, S) and a context (B, D, 1, T)."""

    def __init__(self, layer: TransformerLayer):
        super().__init__()
        self.replaces_stream = layer.replaces_stream
        has_norm1 = layer.self_attention is not None or layer.replaces_stream
        self.norm1 = _ChannelNorm(layer.norm1) if has_norm1 else None
        own, cross = layer.self_attention, layer.cross_attention
        self.self_attention = _AneAttention(own) if own is not None else None
        self.norm2 = _ChannelNorm(layer.norm2) if cross is not None else None
        self.cross_attention = _AneAttention(cross) if cross is not None else None
        self.norm3, self.ff = _ChannelNorm(layer.norm3), _AneFeedForward(layer.ff)

    def forward(
        self, x: Tensor, context: Tensor | None = None, rope: Tensor | None = None
    ) -> Tensor:
        """(B, C, 1, S), context (B, D, 1, T), rope (2, S, hd/2) to (B, C, 1, S)."""
        if self.norm1 is not None:
            normed = self.norm1(x)
            x = x + self.self_attention(normed, None, rope) if self.self_attention else normed
        if self.cross_attention is not None and self.norm2 is not None:
            x = x + self.cross_attention(self.norm2(x), context, rope)
        out: Tensor = x + self.ff(self.norm3(x))
        return out


class AneProjection(nn.Module):
    """`TransformerProjection` between a feature map and a stream (B, C, 1, S)."""

    def __init__(self, projection: TransformerProjection):
        super().__init__()
        self.norm = projection.norm
        self.proj_in, self.proj_out = _conv(projection.proj_in), _conv(projection.proj_out)

    def enter(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, inner, 1, H·W)."""
        h: Tensor = self.proj_in(self.norm(x).flatten(2).unsqueeze(2))
        return h

    def leave(self, tokens: Tensor, x: Tensor) -> Tensor:
        """Stream (B, inner, 1, H·W), residual x (B, C, H, W) to (B, C, H, W)."""
        out: Tensor = self.proj_out(tokens).reshape(x.shape) + x
        return out

    def forward(self, x: Tensor) -> Tensor:
        """The stack without layers."""
        return self.leave(self.enter(x), x)


class AneStack(nn.Module):
    """`TransformerStack` whose layers work on (B, C, 1, S)."""

    def __init__(self, stack: TransformerStack):
        super().__init__()
        self.head_dim = stack.head_dim
        self.projection = AneProjection(stack.projection)
        self.layers = nn.ModuleList(
            AneLayer(layer) for layer in stack.layers if isinstance(layer, TransformerLayer)
        )

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, C, H, W), context (B, T, D) to (B, C, H, W)."""
        from search_space.attention import rope_table

        rope = None
        if self.head_dim is not None:
            rope = rope_table(x.shape[2], x.shape[3], self.head_dim, x.device, x.dtype)
        if context is not None:
            context = context.transpose(1, 2).unsqueeze(2)  # (B, D, 1, T)
        stream = self.projection.enter(x)
        for layer in self.layers:
            stream = layer(stream, context, rope)
        return self.projection.leave(stream, x)


class _AneAttention(nn.Module):
    """One head at a time on (B, C, 1, S); keys are transposed inside the matrix product."""

    def __init__(self, attention: Attention):
        super().__init__()
        self.heads, self.kv_heads = attention.heads, attention.kv_heads
        self.q, self.k, self.v = _conv(attention.q), _conv(attention.k), _conv(attention.v)
        self.out = _conv(attention.out)
        self.q_norm = _head_norm(attention.q_norm)
        self.k_norm = _head_norm(attention.k_norm)

    def forward(self, x: Tensor, context: Tensor | None, rope: Tensor | None) -> Tensor:
        tokens = x if context is None else context
        queries = self.q(x).squeeze(2).chunk(self.heads, dim=1)  # h of (B, hd, S)
        keys = self.k(tokens).squeeze(2).chunk(self.kv_heads, dim=1)  # kv of (B, hd, T)
        values = self.v(tokens).squeeze(2).chunk(self.kv_heads, dim=1)  # kv of (B, hd, T)
        keys = tuple(self._placed(self.k_norm(k), rope if context is None else None) for k in keys)
        group = self.heads // self.kv_heads
        heads = []
        for i, query in enumerate(queries):
            q = self._placed(self.q_norm(query), rope) * query.shape[1] ** -0.5
            key, value = keys[i // group], values[i // group]
            weights = torch.softmax(key.transpose(1, 2) @ q, dim=1)  # (B, T, S)
            heads.append(value @ weights)  # (B, hd, S)
        mixed: Tensor = self.out(torch.cat(heads, dim=1).unsqueeze(2))  # (B, C, 1, S)
        return mixed

    def _placed(self, x: Tensor, rope: Tensor | None) -> Tensor:
        """Turn pairs of channels of (B, hd, S) by the table (2, S, hd/2)."""
        if rope is None:
            return x
        cos, sin = rope[0].transpose(0, 1), rope[1].transpose(0, 1)  # (hd/2, S)
        even, odd = x.reshape(x.shape[0], -1, 2, x.shape[-1]).unbind(2)  # (B, hd/2, S) each
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=2).flatten(1, 2)


class _AneFeedForward(nn.Module):
    """GEGLU with 1×1 convolutions."""

    def __init__(self, ff: FeedForward):
        super().__init__()
        self.gate, self.out = _conv(ff.gate), _conv(ff.out)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.gate(x).chunk(2, dim=1)
        out: Tensor = self.out(value * F.gelu(gate))
        return out


class _ChannelNorm(nn.Module):
    """A LayerNorm over dimension 1, which is where (B, C, 1, S) has its channels."""

    def __init__(self, norm: nn.LayerNorm, mean: bool = True):
        super().__init__()
        self.eps, self.mean = norm.eps, mean
        self.weight, self.bias = norm.weight, getattr(norm, "bias", None)

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1, *[1] * (x.ndim - 2))
        if self.mean:
            x = x - x.mean(1, keepdim=True)
        x = x * torch.rsqrt((x * x).mean(1, keepdim=True) + self.eps)
        x = x * self.weight.view(shape)
        return x if self.bias is None else x + self.bias.view(shape)


def _head_norm(norm: nn.Module) -> nn.Module:
    if isinstance(norm, nn.Identity):
        return norm
    return _ChannelNorm(norm, mean=isinstance(norm, nn.LayerNorm))  # type: ignore[arg-type]


def _conv(linear: nn.Linear) -> nn.Conv2d:
    """A linear as a 1×1 convolution with the same weights."""
    conv = nn.Conv2d(
        linear.in_features, linear.out_features, 1, bias=linear.bias is not None, device="meta"
    )
    conv.weight = nn.Parameter(linear.weight.detach()[:, :, None, None])
    if linear.bias is not None:
        conv.bias = linear.bias
    return conv
