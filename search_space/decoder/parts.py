"""The parts of a decoder: a stage, the mid, and what its fields may hold.

>>> DecoderStage(64).norms
2
"""

from typing import Any, Literal

from search_space.conv import Conv
from search_space.frozen import frozen

Form = Literal["resnet", "tiny"]
Reduction = Literal["resblock", "upsampler"]

NORM_GROUPS, NORM_EPS = 32, 1e-6  # AutoencoderKL's; what a decoder without norms must keep


@frozen
class DecoderStage:
    """One resolution level: width, residual blocks, and what is in each of them.

    ``norms`` of a block's two convs have a norm, the last ones first. ``attention``: each block is
    followed by attention over the whole map (`AttnUpDecoderBlock2D`).
    """

    channels: int
    blocks: int = 3
    conv: Conv = Conv()
    norms: int = 2
    attention: bool = False


@frozen
class DecoderMid:
    """The middle, at the latents' resolution and the last stage's width, convs and norms."""

    resblocks: int = 2
    attention: bool = True


def widths_differ(spec: Any) -> bool:
    """Whether any two neighbouring stages differ in width, so that something must change it."""
    return len({stage.channels for stage in spec.stages}) > 1


def has_norms(spec: Any) -> bool:
    """Whether the decoder has a norm anywhere, attention's included."""
    in_mid = spec.mid is not None and spec.mid.attention
    return bool(
        spec.out_norm or in_mid or any(stage.norms or stage.attention for stage in spec.stages)
    )
