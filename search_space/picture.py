"""`PictureSpec`: all that a phone runs for one picture, as a network that stands for several.

Text encoders, UNet, decoder, the number of steps, guidance, and the bits of the weights. It is a
candidate like any other: costs, latency sources, spaces and studies take it.

>>> from search_space.presets import named_spec
>>> unet = named_spec("sd15")
>>> text_encoders_for(unet)
('clip-l',)
>>> check_text(unet, [text_encoder("gemma-2-2b")])
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: the text encoders give 2304 numbers per token, the UNet reads
768; choose clip-l
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from search_space.codec import digest_of
from search_space.errors import SpecError, WalkbenchError
from search_space.frozen import frozen
from search_space.network import Network, NetworkKind, network_from_dict
from search_space.plan import Plan, Segment, Step
from search_space.program import WEIGHT_BITS, Program
from search_space.text_encoder import TextEncoderSpec, text_encoder

if TYPE_CHECKING:
    from torch import nn

# The encoders of published pipelines, by the width that their UNet reads.
_BY_WIDTH = {
    768: ("clip-l",),
    1024: ("clip-h",),
    2048: ("clip-l", "clip-bigg"),
    2304: ("gemma-2-2b",),
    4096: ("t5-xxl",),
}


@frozen
class PictureSpec:
    """One way to make a picture. Raises :class:`SpecError` for parts that do not fit together.

    With ``guidance`` the UNet runs twice a step and the text encoders twice, for the prompt and for
    the empty one. ``bits`` are those of all stored weights.
    """

    kind: ClassVar[str] = "picture"
    unet: Network
    decoder: Network
    steps: int
    guidance: bool = False
    texts: tuple[Network, ...] = ()
    bits: int = 16

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SpecError(f"steps is {self.steps}; 1 or more is needed")
        if self.bits not in WEIGHT_BITS:
            allowed = ", ".join(map(str, WEIGHT_BITS))
            raise SpecError(f"bits is {self.bits}; weights are stored at {allowed}")
        given, read = latent_of(self.unet, "out_channels"), latent_of(self.decoder)
        if given != read:
            raise SpecError(
                f"the decoder reads latents of {_shape(read)}, the UNet gives {_shape(given)}; "
                "choose a decoder and a UNet of one latent space"
            )

    def programs(self) -> tuple[Program, ...]:
        """Return the programs in the order in which a picture needs them."""
        twice = 2 if self.guidance else 1
        names = _numbered(len(self.texts))
        texts = zip(names, self.texts, strict=True)
        return (
            *(Program(name, text, twice, self.bits) for name, text in texts),
            Program("unet", self.unet, twice * self.steps, self.bits),
            Program("decoder", self.decoder, 1, self.bits),
        )

    def digest(self) -> str:
        """Return twelve hex digits that name the picture's programs."""
        cached: str | None = self.__dict__.get("_digest")
        if cached is None:
            cached = self.__dict__["_digest"] = digest_of(self.to_dict())
        return cached

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, the kind first."""
        return {
            "kind": self.kind,
            "unet": self.unet.to_dict(),
            "decoder": self.decoder.to_dict(),
            "steps": self.steps,
            "guidance": self.guidance,
            "texts": [text.to_dict() for text in self.texts],
            "bits": self.bits,
        }

    def plan(self) -> Plan:
        """Return one pass of the UNet and the decoding of its output, without the text."""
        unet, decoder = self.unet.plan(), self.decoder.plan()
        latent = decoder.inputs[0][0]
        return Plan(
            (*(f"unet_{name}" for name in unet.names), *(f"decoder_{n}" for n in decoder.names)),
            (*unet.segments, *(_reading_x(segment, latent) for segment in decoder.segments)),
            (*unet.inputs, *decoder.inputs[1:]),
        )


def _reading_x(segment: Segment, latent: str) -> Segment:
    """Return the segment with the decoder's input in place of what the UNet leaves."""
    return Segment(tuple(_step_reading_x(step, latent) for step in segment.steps))


def _step_reading_x(step: Step, latent: str) -> Step:
    return dataclasses.replace(
        step, reads=tuple("x" if name == latent else name for name in step.reads)
    )


def latent_of(network: Network, channels: str = "") -> tuple[int, ...]:
    """Return the shape of the first input, with the field ``channels`` instead where it has one."""
    shape = network.plan().inputs[0][1].shape
    return (getattr(network, channels, shape[0]), *shape[1:])


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _numbered(count: int) -> list[str]:
    return ["text"] if count == 1 else [f"text {i + 1}" for i in range(count)]


def fitted_decoder(decoder: Network, unet: Network) -> Network:
    """Return ``decoder`` at the UNet's latent size, where it is a kind that has a ``latent_size``.

    Decoders are convolutions and work at any; channels are left for :class:`PictureSpec` to check.
    """
    size = latent_of(unet)[-1]
    if latent_of(decoder)[-1] == size or not hasattr(decoder, "latent_size"):
        return decoder
    resized: Any = dataclasses.replace(cast(Any, decoder), latent_size=size)
    return cast(Network, resized)


def text_encoders_for(unet: Network) -> tuple[str, ...]:
    """Return the names of the encoders whose text the UNet is as wide as; () where none is."""
    found = _BY_WIDTH.get(_text_width(unet), ())
    pools = "pooled" in dict(unet.plan().inputs)  # SDXL's second encoder gives pooled text too
    return found if len(found) < 2 or pools else ()


def named_texts(names: Sequence[str], unet: Network) -> tuple[TextEncoderSpec, ...]:
    """Return the encoders called ``names``, with as many tokens as the UNet reads where they can.

    Raises :class:`WalkbenchError` for an unknown one, listing the known.
    """
    inputs = dict(unet.plan().inputs)
    tokens = inputs["context"].shape[0] if "context" in inputs else None
    found = [text_encoder(name) for name in names]
    return tuple(
        text_encoder(name, tokens) if text.positions != "learned" else text
        for name, text in zip(names, found, strict=True)
    )


def check_text(unet: Network, texts: Sequence[TextEncoderSpec]) -> None:
    """Raise :class:`WalkbenchError` unless the encoders are together as wide as the UNet reads."""
    width, given = _text_width(unet), sum(text.width for text in texts)
    if texts and width and given != width:
        fitting = " and ".join(text_encoders_for(unet)) or "one of that width, or none"
        raise WalkbenchError(
            f"the text encoders give {given} numbers per token, the UNet reads {width}; "
            f"choose {fitting}"
        )


def _text_width(unet: Network) -> int:
    given = dict(unet.plan().inputs).get("context")
    return 0 if given is None else given.shape[-1]


def _read(data: Mapping[str, Any]) -> PictureSpec:
    names = [field.name for field in dataclasses.fields(cast(Any, PictureSpec))]
    unknown = sorted(set(data) - set(names))
    if unknown:
        raise SpecError(f"picture has no field {unknown[0]!r}; fields: {', '.join(names)}")
    for name in ("unet", "decoder", "steps"):
        if name not in data:
            raise SpecError(f"picture.{name} is missing")
    for name, kind in (("steps", int), ("bits", int), ("guidance", bool), ("texts", list)):
        if name in data and type(data[name]) is not kind:
            raise SpecError(f"picture.{name} is {data[name]!r}; {kind.__name__} is needed")
    given = dict(data)
    texts = tuple(network_from_dict(text) for text in given.pop("texts", []))
    unet, decoder = network_from_dict(given.pop("unet")), network_from_dict(given.pop("decoder"))
    return PictureSpec(unet, decoder, texts=texts, **given)


def _module(spec: PictureSpec) -> "nn.Module":
    from search_space.modules.network import PlannedNetwork

    return PlannedNetwork(spec)


PICTURE = NetworkKind("picture", "way to make a picture", _read, _module)
