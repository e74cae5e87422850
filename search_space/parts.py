"""The parts of a UNet's spec: sites, paths and stages, the mid, the text and other conditions.

A stage is one resolution level. It has a path of sites on the way down and one on the way up; a
site is a resblock followed by a stack of ``depth`` transformer layers.

>>> Path((Site(depth=2), Site(depth=0))).has_transformer
True
"""

from functools import cached_property
from typing import Any, Literal

from search_space.conv import Conv
from search_space.frozen import frozen, keep_float

ContextProjection = Literal["none", "linear", "linear_rms"]


@frozen
class Site:
    """One resblock with its transformer stack; ``resblock=False``: the stack takes its place."""

    depth: int = 0
    resblock: bool = True


@frozen
class Path:
    """The sites of a stage in one direction, and the attention inside their transformer layers."""

    sites: tuple[Site, ...]
    self_attention: bool = False
    cross_attention: bool = False

    @cached_property
    def has_transformer(self) -> bool:
        """Whether any site has a transformer layer."""
        return any(site.depth for site in self.sites)


@frozen
class Stage:
    """One resolution level: its width, its convolutions, its attention geometry, its two paths."""

    channels: int
    heads: int
    head_dim: int
    down: Path
    up: Path
    kv_heads: int
    ff_ratio: float = 4.0
    conv: Conv = Conv()

    def __post_init__(self) -> None:
        keep_float(self, "ff_ratio")


@frozen
class Mid:
    """The middle of the network, at the last stage's width: resblock, ``depth`` layers, resblocks.

    ``resblocks=1`` has one resblock before the stack and none after it.
    """

    depth: int = 0
    resblocks: int = 2
    self_attention: bool = False
    cross_attention: bool = False


@frozen
class Context:
    """The text tokens that cross-attention reads.

    ``width`` is what the layers see; ``input_width`` what the text encoder gives, when a projection
    lies between.
    """

    width: int = 768
    tokens: int = 77
    projection: ContextProjection = "none"
    input_width: int = 0

    @property
    def given_width(self) -> int:
        """Width of the ``context`` argument of the forward pass."""
        return self.input_width if self.projection != "none" else self.width


@frozen
class Conditions:
    """Conditions added to the time embedding: pooled text, size numbers, a class label.

    SDXL: pooled text of 1280 and six size numbers of 256. DreamLite: two size numbers of 256.
    """

    pooled_width: int = 0
    size_ids: int = 0
    size_width: int = 256
    classes: int = 0

    @property
    def added_width(self) -> int:
        """Input width of the added embedding, 0 when there is none."""
        return self.pooled_width + self.size_ids * self.size_width


def stage_attends(network: Any, index: int) -> bool:
    """Return whether stage ``index`` of a spec, or of a draft of one, has transformer layers.

    On a path or, in the last stage, in the mid.
    """
    stage, mid = network.stages[index], network.mid
    if stage.down.has_transformer or stage.up.has_transformer:
        return True
    return mid is not None and mid.depth > 0 and index == len(network.stages) - 1
