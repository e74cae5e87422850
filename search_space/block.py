"""Blocks: the currency between the space, its costs and the latency tables.

A block is a frozen value that says all that decides its modules, its costs and its latency: kind,
widths, resolution, options. Its :attr:`Block.key` reads like a line of a table and parses back.
Two places of a network, or two networks, that need the same block share one entry everywhere.

>>> block = Resample(direction="down", channels=256, size=128, conv=Conv())
>>> block.key
'resample direction=down channels=256 size=128 conv.kind=dense conv.expansion=1 conv.base=out \
conv.depthwise_bias=0 conv.pointwise_bias=0'
>>> parse_key(block.key) == block
True
"""

import dataclasses
import math
from functools import cache
from typing import Any, ClassVar, Literal, get_args, get_type_hints

from search_space.errors import SpecError, WalkbenchError
from search_space.frozen import frozen
from search_space.spec import Activation, Conv, QKNorm, WithoutSelfAttention
from search_space.validate import LARGEST


@frozen
class Norm:
    """GroupNorm geometry and activation shared by all blocks of a network."""

    groups: int
    eps: float
    activation: Activation

    def check(self, channels: int, size: int, where: str) -> None:
        """Raise :class:`SpecError` unless a map of ``channels`` and ``size`` can be normed."""
        _check_groups(self.groups, channels, size, where)


def _check_groups(groups: int, channels: int, size: int, where: str) -> None:
    if channels % groups:
        raise SpecError(
            f"norm_groups {groups} does not divide {where} {channels}; "
            "change norm_groups, the stage's channels or the expansion"
        )
    if channels == groups and size == 1:  # normed alone, every value is its own mean
        raise SpecError(
            f"norm_groups {groups} leaves one value per group in {where} {channels} at 1×1 "
            "pixels; use fewer groups or a larger latent_size"
        )


class Block:
    """What every block has: a kind, a readable key, and the parts it is priced by."""

    kind: ClassVar[str]

    @property
    def key(self) -> str:
        """One readable line that names the block; :func:`parse_key` reads it back."""
        return _key(self)

    def parts(self) -> tuple[tuple["Block", int], ...]:
        """Blocks that are priced, and measured, on their own, with how often each occurs."""
        return ((self, 1),)


@frozen
class ConvIn(Block):
    """3×3 conv from latents to the first stage's width."""

    kind: ClassVar[str] = "conv_in"
    in_channels: int
    out_channels: int
    size: int


@frozen
class ConvOut(Block):
    """Norm, activation, 3×3 conv back to latents."""

    kind: ClassVar[str] = "conv_out"
    in_channels: int
    out_channels: int
    size: int
    norm: Norm

    def __post_init__(self) -> None:
        self.norm.check(self.in_channels, self.size, "the first stage's channels")


@frozen
class TimeEmbed(Block):
    """Sinusoid of ``in_width``, then a two-layer MLP of ``width``."""

    kind: ClassVar[str] = "time_embed"
    in_width: int
    width: int
    activation: Activation


@frozen
class AddedEmbed(Block):
    """Pooled text and sinusoids of size numbers, joined, then a two-layer MLP of ``width``."""

    kind: ClassVar[str] = "added_embed"
    pooled_width: int
    size_ids: int
    size_width: int
    width: int
    activation: Activation


@frozen
class ClassEmbed(Block):
    """A table of one vector per class label, added to the time embedding."""

    kind: ClassVar[str] = "class_embed"
    classes: int
    width: int


@frozen
class ContextProj(Block):
    """Linear projection of the text tokens, with an optional RMSNorm."""

    kind: ClassVar[str] = "context_proj"
    in_width: int
    width: int
    tokens: int
    rms: bool


@frozen
class ResBlock(Block):
    """Norm-act-conv, time embedding, norm-act-conv, shortcut; reads a skip when ``skip`` > 0."""

    kind: ClassVar[str] = "resblock"
    in_channels: int
    skip: int
    out_channels: int
    size: int
    time_width: int
    conv: Conv
    norm: Norm

    def __post_init__(self) -> None:
        if not 0 < self.hidden <= LARGEST:
            raise SpecError(
                f"conv.expansion {self.conv.expansion} gives a hidden width of {self.hidden}; "
                f"1 to {LARGEST} are allowed"
            )
        self.norm.check(self.in_channels + self.skip, self.size, "the resblock input (with skip)")
        self.norm.check(self.hidden, self.size, "the resblock's hidden width")

    @property
    def hidden(self) -> int:
        """Channels between the two convolutions."""
        return self.conv.hidden(self.in_channels + self.skip, self.out_channels)


@frozen
class Fuse(Block):
    """1×1 conv that stands in for a replaced resblock where widths differ or a skip arrives."""

    kind: ClassVar[str] = "fuse"
    in_channels: int
    skip: int
    out_channels: int
    size: int


@frozen
class TransformerProjection(Block):
    """Norm and projection into a transformer stack, projection out, residual."""

    kind: ClassVar[str] = "transformer_projection"
    channels: int
    inner: int
    size: int
    groups: int

    def __post_init__(self) -> None:
        _check_groups(self.groups, self.channels, self.size, "the transformer's channels")


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


@frozen
class TransformerStack(Block):
    """``depth`` equal layers between projections, on a feature map."""

    kind: ClassVar[str] = "transformer"
    projection: TransformerProjection
    layer: TransformerLayer
    depth: int

    def parts(self) -> tuple[tuple[Block, int], ...]:
        """The projections once and one layer ``depth`` times."""
        return ((self.projection, 1), (self.layer, self.depth))


@frozen
class Resample(Block):
    """Halve or double the resolution; ``size`` is the input's; no ``conv``: pool or repeat."""

    kind: ClassVar[str] = "resample"
    direction: Literal["down", "up"]
    channels: int
    size: int
    conv: Conv | None


KINDS: dict[str, type[Block]] = {
    cls.kind: cls
    for cls in (
        ConvIn,
        ConvOut,
        TimeEmbed,
        AddedEmbed,
        ClassEmbed,
        ContextProj,
        ResBlock,
        Fuse,
        TransformerProjection,
        TransformerLayer,
        TransformerStack,
        Resample,
    )
}


@cache
def _key(block: Any) -> str:
    words = [f"{name}={_text(value)}" for name, value in _flat(block, "")]
    return " ".join([block.kind, *words])


def _flat(value: Any, prefix: str) -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if dataclasses.is_dataclass(item):
            out += _flat(item, f"{prefix}{field.name}.")
        else:
            out.append((prefix + field.name, item))
    return out


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(int(value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def parse_key(key: str) -> Block:
    """Read a block from its key; raises :class:`WalkbenchError` naming the word that is wrong."""
    kind, *words = key.split() or [""]
    if not kind:
        raise WalkbenchError("block key is empty; it begins with a kind such as conv_in")
    if kind not in KINDS:
        raise WalkbenchError(f"block key {key!r}: kind {kind!r} is not one of {', '.join(KINDS)}")
    pairs = dict(word.partition("=")[::2] for word in words)
    if len(pairs) < len(words):
        names = [word.partition("=")[0] for word in words]
        twice = next(name for name in names if names.count(name) > 1)
        raise WalkbenchError(f"block key {key!r} says {twice} twice")
    try:
        block = _parse(KINDS[kind], pairs, "")
    except KeyError as missing:
        raise WalkbenchError(f"block key {key!r} lacks {missing.args[0]}") from None
    except ValueError as error:
        raise WalkbenchError(f"block key {key!r}: {error}") from None
    if pairs:
        raise WalkbenchError(f"block key {key!r} has unknown fields: {', '.join(pairs)}")
    return block  # type: ignore[no-any-return]


def _parse(cls: Any, pairs: dict[str, str], prefix: str) -> Any:
    """Consume the words of ``pairs`` that belong to ``cls``."""
    values: dict[str, Any] = {}
    hints = get_type_hints(cls)
    for name in (field.name for field in dataclasses.fields(cls)):
        hint = hints[name]
        where, optional = prefix + name, type(None) in get_args(hint)
        inner = get_args(hint)[0] if optional else hint
        if optional and pairs.get(where) == "none":
            del pairs[where]
            values[name] = None
        elif dataclasses.is_dataclass(inner):
            values[name] = _parse(inner, pairs, where + ".")
        else:
            values[name] = _value(inner, pairs.pop(where), where)
    return cls(**values)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _value(hint: Any, text: str, where: str) -> Any:
    if hint is bool:
        if text not in ("0", "1"):
            raise ValueError(f"{where} is {text!r}, 0 or 1 is needed")
        return text == "1"
    if hint is int:
        if not text.isdecimal():
            raise ValueError(f"{where} is {text!r}, a whole number is needed")
        return int(text)
    if hint is float:
        number = _float(text)
        if not 0 < number < math.inf:
            raise ValueError(f"{where} is {text!r}, a number is needed")
        return number
    if text not in get_args(hint):
        raise ValueError(f"{where} is {text!r}, not one of {', '.join(map(str, get_args(hint)))}")
    return text
