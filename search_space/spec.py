"""`UNetSpec`: everything there is to say about one text-to-image UNet, and nothing else.

A spec is a value: frozen, hashable, equal when the networks are equal, and the same after a round
trip through JSON. It loads without torch or Optuna. :meth:`UNetSpec.plan` lists its blocks,
:class:`search_space.unet.UNet` builds and runs them, :func:`search_space.cost.cost` prices them.

Its parts (:mod:`search_space.parts`) can be imported from here. Fields that would have no effect
must keep their neutral value (a path without transformers has no attention, a dense conv has no
pointwise bias), so that different specs are different networks; only the head count of a stage
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

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, cast

from search_space.blocks import Activation, QKNorm, WithoutSelfAttention
from search_space.codec import parse_json, read_fields
from search_space.conv import SAMPLER, Conv, ConvBase
from search_space.errors import SpecError
from search_space.frozen import frozen, keep_float, plain_dict
from search_space.parts import (
    Conditions,
    Context,
    ContextProjection,
    Mid,
    Path,
    Site,
    Stage,
    stage_attends,
)
from search_space.plan import Plan
from search_space.planned import PlannedSpec
from search_space.unet_plan import unet_plan
from search_space.validate import validate

__all__ = [
    "Activation",
    "Conditions",
    "Context",
    "ContextProjection",
    "Conv",
    "ConvBase",
    "Mid",
    "Path",
    "QKNorm",
    "Site",
    "Stage",
    "UNetSpec",
    "WithoutSelfAttention",
]

FORMAT = 1  # bumped when a field changes meaning


@frozen
class UNetSpec(PlannedSpec):
    """One UNet, complete. Raises :class:`SpecError` when fields contradict one another."""

    kind: ClassVar[str] = "unet"
    stages: tuple[Stage, ...]
    mid: Mid | None
    time_width: int
    context: Context = Context()
    conditions: Conditions = Conditions()
    sampler: Annotated[str, SAMPLER] = "dense"
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
        keep_float(self, "norm_eps")
        validate(self)
        self.plan()  # blocks know which widths they cannot have

    def made_plan(self) -> Plan:
        """Return the blocks in forward order."""
        return unet_plan(self)

    def has_transformer(self, index: int) -> bool:
        """Whether stage ``index`` has transformer layers: on a path or, if the last, in the mid."""
        return stage_attends(self, index)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, every field present, ``format`` first."""
        return {"format": FORMAT, **plain_dict(self)}

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Read what :meth:`to_dict` wrote; raises :class:`SpecError` naming the offending field."""
        if not isinstance(data, Mapping):
            raise SpecError(f"a spec is a JSON object, got {type(data).__name__}")
        fields = dict(data)
        version = fields.pop("format", FORMAT)
        if version != FORMAT:
            raise SpecError(f"spec format {version!r} is not known; this version reads {FORMAT}")
        return cast(Self, read_fields(cls, fields, "spec"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a spec from JSON text; raises :class:`SpecError` saying where it is malformed."""
        return cls.from_dict(parse_json(text, "spec"))
