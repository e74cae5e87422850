"""Modules of transformer stacks: projections, layer, feed-forward, the whole stack."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space.attention import Attention, rope_table
from search_space.blocks import transformer as blocks
from search_space.modules.registry import module_of

STACK_EPS = 1e-6  # GroupNorm in front of a transformer stack (diffusers Transformer2DModel)
LAYER_EPS = 1e-5  # LayerNorm inside a layer (torch's default, used by all published UNets)


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


@module_of(blocks.TransformerLayer)
class TransformerLayer(nn.Module):
    """Self-attention, cross-attention and feed-forward, those that the block has."""

    def __init__(self, block: blocks.TransformerLayer):
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

    def forward(
        self, x: Tensor, context: Tensor | None = None, rope: Tensor | None = None
    ) -> Tensor:
        """(B, S, inner), context (B, T, width), rope (2, S, hd/2) to (B, S, inner)."""
        if self.self_attention is not None:
            x = x + self.self_attention(self.norm1(x), None, rope)
        elif self.replaces_stream:
            x = self.norm1(x)
        if self.cross_attention is not None:
            x = x + self.cross_attention(self.norm2(x), context, rope)
        out: Tensor = x + self.ff(self.norm3(x))
        return out


@module_of(blocks.TransformerProjection)
class TransformerProjection(nn.Module):
    """What surrounds a stack's layers: norm, projection in, projection out, residual."""

    def __init__(self, block: blocks.TransformerProjection):
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

    def forward(self, x: Tensor) -> Tensor:
        """The stack without layers: what the projections cost on their own."""
        return self.leave(self.enter(x), x)


@module_of(blocks.TransformerStack)
class TransformerStack(nn.Module):
    """``depth`` layers over the tokens of a feature map.

    ``gradient_checkpointing`` recomputes each layer in the backward pass through the function
    beside it; diffusers' ``enable_gradient_checkpointing`` sets both.
    """

    gradient_checkpointing = False
    _gradient_checkpointing_func: Callable[..., Tensor]

    def __init__(self, block: blocks.TransformerStack):
        super().__init__()
        self.head_dim = block.layer.head_dim if block.layer.rope else None
        self.projection = TransformerProjection(block.projection)
        self.layers = nn.ModuleList(TransformerLayer(block.layer) for _ in range(block.depth))

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, C, H, W), context (B, T, width) to (B, C, H, W)."""
        rope = None
        if self.head_dim is not None:
            rope = rope_table(x.shape[2], x.shape[3], self.head_dim, x.device, x.dtype)
        tokens = self.projection.enter(x)  # (B, H·W, inner)
        recompute = self.gradient_checkpointing and torch.is_grad_enabled()
        for layer in self.layers:
            if recompute:
                tokens = self._gradient_checkpointing_func(layer, tokens, context, rope)
            else:
                tokens = layer(tokens, context, rope)
        return self.projection.leave(tokens, x)
