"""`UNetSpec`: everything there is to say about one text-to-image UNet, and nothing else.

A spec is a value: frozen, hashable, equal when the networks are equal, and the same after a round
trip through JSON. It knows nothing of torch or Optuna. What follows from it lives elsewhere:
:func:`search_space.plan.plan` lists its blocks, :class:`search_space.unet.UNet` builds them,
:func:`search_space.cost.cost` prices them.

A stage is one resolution level. It has a path of sites on the way down and one on the way up; a
site is a resblock followed by a stack of ``depth`` transformer layers. Fields that would have no
effect must keep their neutral value (a path without transformers has no attention, a dense conv has
no pointwise bias), so that different specs are different networks; only the head count of a stage
without transformers is free, because published configs state it.

>>> from search_space.presets import named_spec
>>> spec = named_spec("snapgen-t2i")
>>> [stage.channels for stage in spec.stages]
[256, 512, 896]
>>> UNetSpec.from_json(spec.to_json()) == spec
True
>>> spec.digest()
'836c0534af46'
"""

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from search_space.errors import SpecError
from search_space.frozen import frozen
from search_space.validate import validate

ConvKind = Literal["dense", "separable"]
ConvBase = Literal["out", "in", "max"]
SamplerKind = Literal["dense", "separable", "none"]
QKNorm = Literal["none", "rms", "layer"]
Activation = Literal["silu", "gelu", "relu", "mish", "hardswish"]
ContextProjection = Literal["none", "linear", "linear_rms"]
WithoutSelfAttention = Literal["skip", "norm"]

FORMAT = 1  # bumped when a field changes meaning


def _make_float(self: Any, field: str) -> None:
    """Keep a float field a float: 3 and 3.0 are equal, and must have one digest too."""
    value = getattr(self, field)
    if type(value) is int:
        object.__setattr__(self, field, float(value))


@frozen
class Conv:
    """The 3×3 convolutions of a resblock.

    ``hidden = expansion × base`` is the width between the block's two convolutions; ``base`` is the
    block's output, its input, or the larger of the two. Dense convolutions always have a bias.
    """

    kind: ConvKind = "dense"
    expansion: float = 1.0
    base: ConvBase = "out"
    depthwise_bias: bool = False
    pointwise_bias: bool = False

    def __post_init__(self) -> None:
        _make_float(self, "expansion")

    def hidden(self, in_channels: int, out_channels: int) -> int:
        """Channels between a block's two convolutions, given what goes in and comes out."""
        width = {"out": out_channels, "in": in_channels, "max": max(in_channels, out_channels)}
        return int(self.expansion * width[self.base])


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

    @property
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
        _make_float(self, "ff_ratio")


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


@frozen
class UNetSpec:
    """One UNet, complete. Raises :class:`SpecError` when fields contradict one another."""

    stages: tuple[Stage, ...]
    mid: Mid | None
    time_width: int
    context: Context = Context()
    conditions: Conditions = Conditions()
    sampler: SamplerKind = "dense"
    qk_norm: QKNorm = "none"
    rope: bool = False
    without_self_attention: WithoutSelfAttention = "skip"
    activation: Activation = "silu"
    norm_groups: int = 32
    norm_eps: float = 1e-5
    in_channels: int = 4
    out_channels: int = 4
    latent_size: int = 128

    def __post_init__(self) -> None:
        _make_float(self, "norm_eps")
        validate(self)

    def has_transformer(self, index: int) -> bool:
        """Whether stage ``index`` has transformer layers: on a path or, if the last, in the mid."""
        stage = self.stages[index]
        last = index == len(self.stages) - 1
        in_mid = last and self.mid is not None and self.mid.depth > 0
        return in_mid or stage.down.has_transformer or stage.up.has_transformer

    def replace(self, **changes: Any) -> Self:
        """Return a copy with ``changes``, validated anew."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, every field present, ``format`` first."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    def to_json(self, indent: int | None = None) -> str:
        """Return the spec as JSON text; :meth:`from_json` reads it back equal."""
        return json.dumps(self.to_dict(), indent=indent)

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Read what :meth:`to_dict` wrote; raises :class:`SpecError` naming the offending field."""
        if not isinstance(data, Mapping):
            raise SpecError(f"a spec is a JSON object, got {type(data).__name__}")
        fields = dict(data)
        version = fields.pop("format", FORMAT)
        if version != FORMAT:
            raise SpecError(f"spec format {version!r} is not known; this version reads {FORMAT}")
        return typing.cast(Self, _read(cls, fields, "spec"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a spec from JSON text; raises :class:`SpecError` saying where it is malformed."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise SpecError(
                f"spec is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
            ) from None
        except RecursionError:
            raise SpecError(
                "spec is not JSON: it is nested too deeply; a spec has four levels"
            ) from None
        return cls.from_dict(data)

    def digest(self) -> str:
        """Return twelve hex digits that name this network: SHA-256 of its canonical JSON."""
        cached = self.__dict__.get("_digest")
        if cached is None:
            canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
            cached = hashlib.sha256(canonical.encode()).hexdigest()[:12]
            self.__dict__["_digest"] = cached
        return typing.cast(str, cached)


def _read(kind: Any, value: Any, where: str) -> Any:
    """Turn JSON ``value`` into ``kind`` (a field's type hint), or raise naming ``where``."""
    origin = get_origin(kind)
    if origin is Literal:
        if value not in get_args(kind):
            raise SpecError(f"{where} is {value!r}; allowed: {', '.join(map(str, get_args(kind)))}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise SpecError(f"{where} is {value!r}; a list is needed")
        item = get_args(kind)[0]
        return tuple(_read(item, v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is types.UnionType:  # only `X | None` occurs
        return None if value is None else _read(get_args(kind)[0], value, where)
    if dataclasses.is_dataclass(kind):
        return _read_fields(kind, value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise SpecError(f"{where} is {value!r}; {kind.__name__} is needed")
    return value


def _read_fields(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise SpecError(f"{where} is {value!r}; an object is needed")
    hints = get_type_hints(kind)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise SpecError(f"{where} has no field {unknown[0]!r}; fields: {', '.join(hints)}")
    for field in dataclasses.fields(kind):
        required = field.default is dataclasses.MISSING
        if required and field.name not in value:
            raise SpecError(f"{where}.{field.name} is missing")
    return kind(**{k: _read(hints[k], v, f"{where}.{k}") for k, v in value.items()})
