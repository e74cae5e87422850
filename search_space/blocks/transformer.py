"""Transformer stacks: the projections around one, a layer inside it, and the whole."""

from typing import ClassVar, Literal

from search_space.blocks.block import Block, Input, feature_map, register_block
from search_space.blocks.norm import check_groups
from search_space.frozen import frozen

QKNorm = Literal["none", "rms", "layer"]
WithoutSelfAttention = Literal["skip", "norm"]


@register_block
@frozen
class TransformerProjection(Block):
    """Norm and projection into a transformer stack, projection out, residual."""

    kind: ClassVar[str] = "transformer_projection"
    channels: int
    inner: int
    size: int
    groups: int

    def __post_init__(self) -> None:
        check_groups(self.groups, self.channels, self.size, "the transformer's channels")

    def inputs(self) -> dict[str, Input]:
        """Return the feature map."""
        return {"x": feature_map(self.channels, self.size)}


@register_block
@frozen
class TransformerLayer(Block):
    """Self-attention, cross-attention, GEGLU feed-forward, each behind a LayerNorm."""

    kind: ClassVar[str] = "transformer_layer"
    heads: int
    head_dim: int
    kv_heads: int
    size: int
    context_width: int
    tokens: int
    self_attention: bool
    cross_attention: bool
    ff_ratio: float
    qk_norm: QKNorm
    rope: bool
    without_self_attention: WithoutSelfAttention

    @property
    def inner(self) -> int:
        """Width of the layer's stream."""
        return self.heads * self.head_dim

    @property
    def ff_hidden(self) -> int:
        """Width after the GEGLU gate."""
        return int(self.inner * self.ff_ratio)

    def inputs(self) -> dict[str, Input]:
        """Return the tokens of the map, and the text and the rotary table where it reads them."""
        out = {"x": Input((self.size**2, self.inner)), **self.text()}
        if self.rope:
            out["rope"] = Input((2, self.size**2, self.head_dim // 2), batched=False)
        return out

    def text(self) -> dict[str, Input]:
        """Return the text tokens that cross-attention reads, nothing without it."""
        tokens = Input((self.tokens, self.context_width))
        return {"context": tokens} if self.cross_attention else {}


@register_block
@frozen
class TransformerStack(Block):
    """``depth`` equal layers between projections, on a feature map."""

    kind: ClassVar[str] = "transformer"
    projection: TransformerProjection
    layer: TransformerLayer
    depth: int

    def inputs(self) -> dict[str, Input]:
        """Return the feature map, and the text tokens where the layers read them."""
        return {**self.projection.inputs(), **self.layer.text()}

    def parts(self) -> tuple[tuple[Block, int], ...]:
        """The projections once and one layer ``depth`` times."""
        return ((self.projection, 1), (self.layer, self.depth))
