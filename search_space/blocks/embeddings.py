"""Embeddings of timesteps, conditions and text, which the other blocks read."""

from typing import ClassVar

from search_space.blocks.block import Block, Input, register_block
from search_space.blocks.norm import Activation
from search_space.frozen import frozen


@register_block
@frozen
class TimeEmbed(Block):
    """Sinusoid of ``in_width``, then a two-layer MLP of ``width``."""

    kind: ClassVar[str] = "time_embed"
    in_width: int
    width: int
    activation: Activation

    def inputs(self) -> dict[str, Input]:
        """Return the timesteps, (B,)."""
        return {"timesteps": Input(())}


@register_block
@frozen
class AddedEmbed(Block):
    """Pooled text and sinusoids of size numbers, joined, then a two-layer MLP of ``width``."""

    kind: ClassVar[str] = "added_embed"
    pooled_width: int
    size_ids: int
    size_width: int
    width: int
    activation: Activation

    def inputs(self) -> dict[str, Input]:
        """Return the conditions it embeds: pooled text, size numbers, or both."""
        widths = {"pooled": self.pooled_width, "size_ids": self.size_ids}
        return {name: Input((width,)) for name, width in widths.items() if width}


@register_block
@frozen
class ClassEmbed(Block):
    """A table of one vector per class label, added to the time embedding."""

    kind: ClassVar[str] = "class_embed"
    classes: int
    width: int

    def inputs(self) -> dict[str, Input]:
        """Return the class labels, (B,)."""
        return {"classes": Input((), integer=True)}


@register_block
@frozen
class ContextProj(Block):
    """Linear projection of the text tokens, with an optional RMSNorm."""

    kind: ClassVar[str] = "context_proj"
    in_width: int
    width: int
    tokens: int
    rms: bool

    def inputs(self) -> dict[str, Input]:
        """Return the text tokens as the encoder gives them."""
        return {"tokens": Input((self.tokens, self.in_width))}
