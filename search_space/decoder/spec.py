"""`DecoderSpec`: everything there is to say about one picture decoder, and nothing else.

A decoder turns latents into a picture: a first convolution, a mid, stages from the lowest
resolution up, each with residual blocks and, but for the last, an upsampler, a last convolution. As
in a UNet's spec, ``stages[0]`` is the stage of the highest resolution, and fields that would have
no effect keep their neutral value.

``form`` is what the blocks are: ``resnet`` for those of `AutoencoderKL` (two convs, each behind an
activation and perhaps a norm), ``tiny`` for those of `AutoencoderTiny` (three convs, no norm, ReLU
of the sum, latents clamped). ``reduction`` says where the width changes between two stages: in the
first block of the next one, which then has a 1×1 shortcut, or in the upsampler.

>>> from search_space.decoder.presets import named_decoder
>>> spec = named_decoder("snapgen-decoder")
>>> [stage.channels for stage in spec.stages], spec.picture_size
([64, 128, 192, 320], 1024)
>>> DecoderSpec.from_dict({k: v for k, v in spec.to_dict().items() if k != "kind"}) == spec
True
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, cast

from search_space.blocks import Activation
from search_space.codec import parse_json, read_fields
from search_space.conv import SAMPLER
from search_space.decoder.parts import (
    NORM_EPS,
    NORM_GROUPS,
    DecoderMid,
    DecoderStage,
    Form,
    Reduction,
)
from search_space.decoder.plan import decoder_plan
from search_space.decoder.validate import validate
from search_space.errors import SpecError
from search_space.frozen import frozen, keep_float, plain_dict
from search_space.plan import Plan
from search_space.planned import PlannedSpec

__all__ = ["DecoderMid", "DecoderSpec", "DecoderStage", "Form", "Reduction"]

FORMAT = 1  # bumped when a field changes meaning


@frozen
class DecoderSpec(PlannedSpec):
    """One decoder, complete. Raises :class:`SpecError` when fields contradict one another."""

    kind: ClassVar[str] = "decoder"
    stages: tuple[DecoderStage, ...]
    mid: DecoderMid | None = None
    form: Form = "resnet"
    reduction: Reduction = "resblock"
    sampler: Annotated[str, SAMPLER] = "dense"
    activation: Activation = "silu"
    out_norm: bool = True
    out_activation: Activation = "silu"
    post_quant: bool = False
    norm_groups: int = NORM_GROUPS
    norm_eps: float = NORM_EPS
    in_channels: int = 4
    out_channels: int = 3
    latent_size: int = 128

    def __post_init__(self) -> None:
        keep_float(self, "norm_eps")
        validate(self)
        self.plan()  # blocks know which widths they cannot have

    def made_plan(self) -> Plan:
        """Return the blocks in forward order."""
        return decoder_plan(self)

    @property
    def factor(self) -> int:
        """Pixels of the picture per latent position, along one side."""
        return 1 << (len(self.stages) - 1)

    @property
    def picture_size(self) -> int:
        """Height and width of the picture."""
        return self.latent_size * self.factor

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, every field present, ``kind`` and ``format`` first."""
        return {"kind": self.kind, "format": FORMAT, **plain_dict(self)}

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Read what :meth:`to_dict` wrote, ``kind`` or not; raises :class:`SpecError`."""
        if not isinstance(data, Mapping):
            raise SpecError(f"a decoder is a JSON object, got {type(data).__name__}")
        fields = dict(data)
        kind, version = fields.pop("kind", cls.kind), fields.pop("format", FORMAT)
        if kind != cls.kind:
            raise SpecError(f"kind is {kind!r}; a decoder is needed")
        if version != FORMAT:
            raise SpecError(f"decoder format {version!r} is not known; this version reads {FORMAT}")
        return cast(Self, read_fields(cls, fields, "decoder"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a decoder from JSON text; raises :class:`SpecError` saying where it is malformed."""
        return cls.from_dict(parse_json(text, "decoder"))
