"""`TextEncoderSpec`: the text encoder in front of a UNet, as a kind of network, and the known ones.

A picture's time and an app's memory hold the text encoder too, so it is priced as UNets are: its
plan lists blocks, and costs, estimates and tables read the plan. Sizes are those of the published
configs; parameters equal those of `transformers` to the last one
(`tests/search_space/test_text_encoder.py`). Walkbench trains no text encoder and loads no weights
into one.

>>> from search_space.cost import cost
>>> cost(text_encoder("clip-l")).params
123060480
>>> text_encoder("clip-xl")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: unknown text encoder 'clip-xl'; did you mean 'clip-l'? ...
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from search_space.blocks import Input
from search_space.blocks.text import (
    RelativePositions,
    TextActivation,
    TextEmbedding,
    TextLayer,
    TextNorm,
    TextOutput,
    TextPooled,
    TextPositions,
)
from search_space.codec import read_fields
from search_space.errors import SpecError, raise_unknown
from search_space.frozen import frozen, plain_dict
from search_space.network import NetworkKind
from search_space.plan import Plan, Segment, Step
from search_space.planned import PlannedSpec

if TYPE_CHECKING:
    from torch import nn


@frozen
class TextEncoderSpec(PlannedSpec):
    """One text encoder. Raises :class:`SpecError` for sizes that cannot be.

    ``projection`` is the width of the pooled text, 0 without; ``softcap`` limits attention logits.
    """

    kind: ClassVar[str] = "text-encoder"
    layers: int
    width: int
    heads: int
    head_dim: int
    kv_heads: int
    ff_width: int
    vocabulary: int
    tokens: int = 77
    positions: TextPositions = "learned"
    norm: TextNorm = "layer"
    activation: TextActivation = "gelu"
    gated: bool = False
    bias: bool = True
    causal: bool = True
    post_norms: bool = False
    scaled_embedding: bool = False
    softcap: float | None = None
    projection: int = 0

    def __post_init__(self) -> None:
        names = ("layers", "width", "heads", "head_dim", "kv_heads", "ff_width", "vocabulary")
        for name in (*names, "tokens"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} is {getattr(self, name)}; 1 or more is needed")
        if self.heads % self.kv_heads:
            raise SpecError(f"kv_heads {self.kv_heads} does not divide heads {self.heads}")
        if self.projection < 0 or (self.softcap is not None and self.softcap <= 0):
            raise SpecError("projection and softcap are positive, or 0 and null for none")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, the kind first."""
        return {"kind": self.kind, **plain_dict(self)}

    def made_plan(self) -> Plan:
        """Return the blocks in forward order."""
        return _plan(self)


def _plan(spec: TextEncoderSpec) -> Plan:
    width, tokens, relative = spec.width, spec.tokens, spec.positions == "relative"
    embedding = TextEmbedding(spec.vocabulary, width, tokens, spec.positions, spec.scaled_embedding)
    first = [Step("embedding", embedding)]
    if relative:
        positions = RelativePositions(spec.heads, width, tokens)
        first.append(Step("positions", positions, leaves="bias"))
    layer = TextLayer(
        width, spec.heads, spec.head_dim, spec.kv_heads, spec.ff_width, tokens, spec.positions,
        spec.norm, spec.activation, spec.gated, spec.bias, spec.causal, spec.post_norms,
        spec.softcap,
    )  # fmt: skip
    layers = [Step(f"layer{i}", layer) for i in range(spec.layers)]
    last = [Step("norm", TextOutput(width, tokens, spec.norm))]
    if spec.projection:
        last.append(Step("pooled", TextPooled(width, spec.projection, tokens), leaves="pooled"))
    segments = tuple(Segment(tuple(steps)) for steps in (first, layers, last))
    inputs = (("tokens", Input((tokens,), integer=True)),)
    return Plan(("input", "layers", "output"), segments, inputs)


# From the `text_config` or `config.json` of each model on its own page. CLIP-L: openai
# clip-vit-large-patch14 (SD 1.x, SDXL's first). CLIP-H: the 23 layers that SD 2.x ships. CLIP-bigG:
# laion CLIP-ViT-bigG-14 (SDXL's second). T5-XXL: google/t5-v1_1-xxl, its encoder (SD3). Gemma-2-2b:
# google/gemma-2-2b (SnapGen), without a head.
_GEMMA = TextEncoderSpec(
    26, 2304, 8, 256, 4, 9216, 256_000, positions="rotary", norm="rms", activation="gelu_tanh",
    gated=True, bias=False, post_norms=True, scaled_embedding=True, softcap=50.0,
)  # fmt: skip
_T5 = TextEncoderSpec(
    24, 4096, 64, 64, 64, 10240, 32_128, positions="relative", norm="rms", activation="gelu_tanh",
    gated=True, bias=False, causal=False,
)  # fmt: skip
TEXT_ENCODERS: dict[str, TextEncoderSpec] = {
    "clip-l": TextEncoderSpec(12, 768, 12, 64, 12, 3072, 49_408, activation="quick_gelu"),
    "clip-h": TextEncoderSpec(23, 1024, 16, 64, 16, 4096, 49_408),
    "clip-bigg": TextEncoderSpec(32, 1280, 20, 64, 20, 5120, 49_408, projection=1280),
    "gemma-2-2b": _GEMMA,
    "t5-xxl": _T5,
}


def text_encoder(name: str, tokens: int | None = None) -> TextEncoderSpec:
    """Return the encoder called ``name``, for ``tokens`` tokens where given.

    Raises :class:`WalkbenchError` listing the known ones.
    """
    if name not in TEXT_ENCODERS:
        raise_unknown("text encoder", name, TEXT_ENCODERS)
    found = TEXT_ENCODERS[name]
    return found if tokens is None else replace(found, tokens=tokens)


def _read(data: Mapping[str, Any]) -> TextEncoderSpec:
    return cast(TextEncoderSpec, read_fields(TextEncoderSpec, data, "text encoder"))


def _module(spec: TextEncoderSpec) -> "nn.Module":
    from search_space.modules.network import PlannedNetwork

    return PlannedNetwork(spec)


TEXT_ENCODER = NetworkKind("text-encoder", "text encoder", _read, _module)
