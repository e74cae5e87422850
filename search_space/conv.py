"""The 3×3 convolutions of a network: `Conv` says which, `CONV_KINDS` how each kind is built.

A kind is one entry of the registry: its name, how its module is built, and which options of
:class:`Conv` have an effect on it. Everything else (specs, search axes, keys, costs) follows from
the entry; an option without effect must keep its default, so that equal networks are equal specs.

>>> CONV_KINDS["separable"].options == {"depthwise_bias", "pointwise_bias"}
True
>>> register_conv(CONV_KINDS["dense"])
Traceback (most recent call last):
    ...
ValueError: a conv kind 'dense' is registered already
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from search_space.codec import OneOf
from search_space.frozen import frozen, keep_float

if TYPE_CHECKING:
    from torch import nn

ConvBase = Literal["out", "in", "max"]


@dataclass(frozen=True)
class ConvKind:
    """One kind of 3×3 convolution.

    ``build(in_channels, out_channels, conv, stride)`` returns its module, which keeps the map's
    size at stride 1 and halves it at stride 2; torch is imported when it is called. ``options``
    names the fields of :class:`Conv` that have an effect on this kind and not on every one.
    """

    name: str
    build: Callable[[int, int, "Conv", int], "nn.Module"]
    options: frozenset[str] = frozenset()


CONV_KINDS: dict[str, ConvKind] = {}
CONV = OneOf(CONV_KINDS)
SAMPLER = OneOf(CONV_KINDS, ("none",))  # none: average pooling down, nearest neighbour up
OPTIONS = ("depthwise_bias", "pointwise_bias")  # fields of Conv that only some kinds have


def register_conv(kind: ConvKind) -> ConvKind:
    """Add a kind to those that specs, spaces and block keys may name; returns it."""
    if kind.name in CONV_KINDS:
        raise ValueError(f"a conv kind {kind.name!r} is registered already")
    unknown = kind.options - set(OPTIONS)
    if unknown:
        raise ValueError(f"Conv has no option {min(unknown)!r}; options: {', '.join(OPTIONS)}")
    CONV_KINDS[kind.name] = kind
    return kind


@frozen
class Conv:
    """The 3×3 convolutions of a resblock.

    ``hidden = expansion × base`` is the width between the block's two convolutions; ``base`` is the
    block's output, its input, or the larger of the two. Dense convolutions always have a bias.
    """

    kind: Annotated[str, CONV] = "dense"
    expansion: float = 1.0
    base: ConvBase = "out"
    depthwise_bias: bool = False
    pointwise_bias: bool = False

    def __post_init__(self) -> None:
        keep_float(self, "expansion")

    def hidden(self, in_channels: int, out_channels: int) -> int:
        """Return the channels between a block's two convolutions."""
        width = {"out": out_channels, "in": in_channels, "max": max(in_channels, out_channels)}
        return int(self.expansion * width[self.base])


def conv3x3(in_channels: int, out_channels: int, conv: Conv, stride: int = 1) -> "nn.Module":
    """Return the module of ``conv`` between these widths."""
    return CONV_KINDS[conv.kind].build(in_channels, out_channels, conv, stride)


def _dense(in_channels: int, out_channels: int, conv: Conv, stride: int) -> "nn.Module":
    from torch import nn

    return nn.Conv2d(in_channels, out_channels, 3, stride, 1)


def _separable(in_channels: int, out_channels: int, conv: Conv, stride: int) -> "nn.Module":
    """A depthwise 3×3 followed by a pointwise 1×1."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(
            in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=conv.depthwise_bias
        ),
        nn.Conv2d(in_channels, out_channels, 1, bias=conv.pointwise_bias),
    )


register_conv(ConvKind("dense", _dense))
register_conv(ConvKind("separable", _separable, frozenset(OPTIONS)))
