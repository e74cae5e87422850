"""Blocks of picture decoders: residual blocks without time, attention on a map, upsamplers.

A decoder's first and last convolution are :class:`ConvIn` and :class:`ConvOut`, a convolution
between equal widths after doubling is :class:`Resample`; these are the blocks that only decoders
have. ``Tiny…`` are those of diffusers' `AutoencoderTiny` (TAESD).

>>> PlainResBlock(64, 64, 32, Conv(), norms=3, norm=Norm(8, 1e-6, "silu"))
Traceback (most recent call last):
    ...
search_space.errors.SpecError: norms is 3; a block has two convs, so 0, 1 and 2 are allowed
"""

from typing import ClassVar

from search_space.blocks.block import Block, Input, feature_map, register_block
from search_space.blocks.norm import Activation, Norm, check_groups
from search_space.conv import Conv
from search_space.errors import SpecError
from search_space.frozen import frozen
from search_space.limits import LARGEST


def _check_hidden(hidden: int, conv: Conv) -> None:
    if not 0 < hidden <= LARGEST:
        raise SpecError(
            f"conv.expansion {conv.expansion} gives a hidden width of {hidden}; "
            f"1 to {LARGEST} are allowed"
        )


@frozen
class _FromMap(Block):
    """A block that reads a map of ``in_channels`` and ``size`` × ``size`` and changes its width."""

    in_channels: int
    out_channels: int
    size: int

    def inputs(self) -> dict[str, Input]:
        """Return the feature map."""
        return {"x": feature_map(self.in_channels, self.size)}


@frozen
class _Residual(_FromMap):
    """Convolutions beside a shortcut."""

    conv: Conv

    @property
    def hidden(self) -> int:
        """Channels between the convolutions."""
        return self.conv.hidden(self.in_channels, self.out_channels)


@register_block
@frozen
class PlainResBlock(_Residual):
    """(norm)-act-conv twice, and a shortcut; the last ``norms`` of the two convs have a norm."""

    kind: ClassVar[str] = "plain_resblock"
    norms: int
    norm: Norm  # one group where there are no norms: only its activation has an effect then

    def __post_init__(self) -> None:
        if self.norms not in (0, 1, 2):
            raise SpecError(
                f"norms is {self.norms}; a block has two convs, so 0, 1 and 2 are allowed"
            )
        _check_hidden(self.hidden, self.conv)
        if self.norms == 2:
            self.norm.check(self.in_channels, self.size, "the resblock input")
        if self.norms:
            self.norm.check(self.hidden, self.size, "the resblock's hidden width")


@register_block
@frozen
class MapAttention(Block):
    """Self-attention of one head over all positions of a map, behind a GroupNorm, residual."""

    kind: ClassVar[str] = "map_attention"
    channels: int
    size: int
    groups: int
    eps: float

    def __post_init__(self) -> None:
        check_groups(self.groups, self.channels, self.size, "the attention's channels")

    def inputs(self) -> dict[str, Input]:
        """Return the feature map."""
        return {"x": feature_map(self.channels, self.size)}


@register_block
@frozen
class UpsampleConv(_FromMap):
    """Nearest neighbour, then a conv that may change the width; ``size`` is the input's.

    ``bias`` is that of a dense conv; the options of other kinds are in ``conv``.
    """

    kind: ClassVar[str] = "upsample_conv"
    conv: Conv
    bias: bool


@register_block
@frozen
class TinyIn(_FromMap):
    """Latents clamped softly to ±3, 3×3 conv, activation."""

    kind: ClassVar[str] = "tiny_in"
    activation: Activation


@register_block
@frozen
class TinyBlock(_Residual):
    """Three convs with activations between, a shortcut, ReLU of the sum; no norms."""

    kind: ClassVar[str] = "tiny_block"
    activation: Activation

    def __post_init__(self) -> None:
        _check_hidden(self.hidden, self.conv)


@register_block
@frozen
class TinyOut(_FromMap):
    """3×3 conv to a picture of 0 … 1, which becomes −1 … 1."""

    kind: ClassVar[str] = "tiny_out"
