"""Blocks of text encoders: token embedding, relative positions, layers, the last norm."""

from typing import ClassVar, Literal

from search_space.blocks.block import Block, Input, register_block
from search_space.frozen import frozen

TextPositions = Literal["learned", "rotary", "relative"]
TextNorm = Literal["layer", "rms"]
TextActivation = Literal["quick_gelu", "gelu", "gelu_tanh"]


@register_block
@frozen
class TextEmbedding(Block):
    """A table of one vector per word; ``positions`` adds a learned table of one per place."""

    kind: ClassVar[str] = "text_embedding"
    vocabulary: int
    width: int
    tokens: int
    positions: TextPositions
    scaled: bool

    def inputs(self) -> dict[str, Input]:
        """Return the word numbers, (B, T)."""
        return {"tokens": Input((self.tokens,), integer=True)}


@register_block
@frozen
class RelativePositions(Block):
    """T5's bias of attention by distance, one number per head and bucket, for all layers."""

    kind: ClassVar[str] = "relative_positions"
    heads: int
    width: int
    tokens: int

    def inputs(self) -> dict[str, Input]:
        """Return the token stream, of which only the length counts."""
        return {"x": Input((self.tokens, self.width))}


@register_block
@frozen
class TextLayer(Block):
    """Self-attention and feed-forward, each behind a norm, with ``post_norms`` also before one."""

    kind: ClassVar[str] = "text_layer"
    width: int
    heads: int
    head_dim: int
    kv_heads: int
    ff_width: int
    tokens: int
    positions: TextPositions
    norm: TextNorm
    activation: TextActivation
    gated: bool
    bias: bool
    causal: bool
    post_norms: bool
    softcap: float | None

    def inputs(self) -> dict[str, Input]:
        """Return the token stream, and the bias of relative positions where it reads one."""
        out = {"x": Input((self.tokens, self.width))}
        if self.positions == "relative":
            out["bias"] = Input((self.heads, self.tokens, self.tokens), batched=False)
        return out


@register_block
@frozen
class TextOutput(Block):
    """The norm after the last layer."""

    kind: ClassVar[str] = "text_output"
    width: int
    tokens: int
    norm: TextNorm

    def inputs(self) -> dict[str, Input]:
        """Return the token stream."""
        return {"x": Input((self.tokens, self.width))}


@register_block
@frozen
class TextPooled(Block):
    """Projection of the last token's hidden state, which SDXL's UNet reads beside the others."""

    kind: ClassVar[str] = "text_pooled"
    width: int
    projection: int
    tokens: int

    def inputs(self) -> dict[str, Input]:
        """Return the hidden states."""
        return {"x": Input((self.tokens, self.width))}
