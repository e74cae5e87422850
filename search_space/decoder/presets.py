"""Named decoders, and the walk from Stable Diffusion's decoder to SnapGen's.

Public decoders are exact. `snapgen-decoder` is a reconstruction: the paper (arXiv 2412.09619) says
which changes it makes and that 1.38M parameters are left, not with which widths;
:data:`OPEN_CHOICES` lists what was chosen here and how sure each choice is.

>>> named_decoder("taesd-decoder").form
'tiny'
>>> [step.name for step in DECODER_WALK][-2:]
['fewer-blocks', 'upsampler']
>>> list(decoder_walk().values())[-1] == named_decoder("snapgen-decoder")
True
"""

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from search_space.conv import Conv
from search_space.decoder.spec import DecoderMid, DecoderSpec, DecoderStage
from search_space.errors import raise_unknown

Confidence = Literal["stated", "derived", "unsure"]

SNAPGEN_CHANNELS, SNAPGEN_BLOCKS = (64, 128, 192, 320), (1, 1, 2, 3)


@dataclasses.dataclass(frozen=True)
class DecoderStep:
    """One step of the walk: its name, what it changes in words, and the edit itself.

    ``confidence``: whether the paper states the change, or it is our guess.
    """

    name: str
    change: str
    confidence: Confidence
    edit: Callable[[DecoderSpec], DecoderSpec]


@dataclasses.dataclass(frozen=True)
class OpenChoice:
    """What `snapgen-decoder` sets where the paper says less, and how sure that is."""

    what: str
    choice: str
    confidence: Confidence
    why: str


def _autoencoder_kl(
    latent_size: int, *, in_channels: int = 4, post_quant: bool = True
) -> DecoderSpec:
    """The decoder of `AutoencoderKL` at the widths that all Stable Diffusion models have."""
    stages = tuple(DecoderStage(channels) for channels in (128, 256, 512, 512))
    return DecoderSpec(
        stages,
        DecoderMid(),
        post_quant=post_quant,
        in_channels=in_channels,
        latent_size=latent_size,
    )


def _taesd(latent_size: int, in_channels: int = 4) -> DecoderSpec:
    """`AutoencoderTiny`'s decoder (TAESD): 64 channels everywhere."""
    stages = tuple(DecoderStage(64, blocks, norms=0) for blocks in (1, 3, 3, 3))
    return DecoderSpec(
        stages,
        form="tiny",
        activation="relu",
        out_norm=False,
        in_channels=in_channels,
        latent_size=latent_size,
    )


def _map_stages(
    spec: DecoderSpec, edit: Callable[[int, DecoderStage], DecoderStage]
) -> DecoderSpec:
    return spec.replace(stages=tuple(edit(i, stage) for i, stage in enumerate(spec.stages)))


def _no_attention(spec: DecoderSpec) -> DecoderSpec:
    assert spec.mid is not None
    return spec.replace(mid=dataclasses.replace(spec.mid, attention=False))


def _separable(spec: DecoderSpec) -> DecoderSpec:
    conv = Conv("separable")
    spec = spec.replace(sampler="separable")
    return _map_stages(spec, lambda i, stage: dataclasses.replace(stage, conv=conv))


def _fewer_norms(spec: DecoderSpec) -> DecoderSpec:
    return _map_stages(spec, lambda i, stage: dataclasses.replace(stage, norms=1))


def _narrower(spec: DecoderSpec) -> DecoderSpec:
    return _map_stages(
        spec, lambda i, stage: dataclasses.replace(stage, channels=SNAPGEN_CHANNELS[i])
    )


def _fewer_blocks(spec: DecoderSpec) -> DecoderSpec:
    return _map_stages(spec, lambda i, stage: dataclasses.replace(stage, blocks=SNAPGEN_BLOCKS[i]))


DECODER_WALK: tuple[DecoderStep, ...] = (
    DecoderStep("sd", "SDXL's decoder, AutoencoderKL", "stated", lambda spec: spec),
    DecoderStep("no-attention", "no attention in the mid", "stated", _no_attention),
    DecoderStep(
        "separable", "every 3×3 conv becomes depthwise 3×3 + pointwise 1×1", "stated", _separable
    ),
    DecoderStep(
        "fewer-norms", "one norm per block, before the second conv", "stated", _fewer_norms
    ),
    DecoderStep("narrower", "channels 128/256/512/512 to 64/128/192/320", "stated", _narrower),
    DecoderStep(
        "fewer-blocks",
        "blocks 3/3/3/3 to 1/1/2/3, fewer at high resolution",
        "unsure",
        _fewer_blocks,
    ),
    DecoderStep(
        "upsampler",
        "upsamplers change the width, no 1×1 shortcuts",
        "stated",
        lambda spec: spec.replace(reduction="upsampler"),
    ),
)

OPEN_CHOICES = (
    OpenChoice("channels", "64/128/192/320", "unsure", "not published; 1.38M parameters leave few"),
    OpenChoice(
        "blocks",
        "1/1/2/3",
        "unsure",
        "not published; of the widths and blocks with 1.38M parameters, one whose estimate on an "
        "iPhone 16 Pro Max has 119 ms in its interval",
    ),
    OpenChoice("mid", "two blocks", "unsure", "the paper removes attention and names nothing else"),
    OpenChoice("norms", "1 per block, and one last", "unsure", "stated: fewer; not: which"),
    OpenChoice("expansion", "1", "unsure", "a public re-implementation has an inner width"),
    OpenChoice("conv biases", "none", "unsure", "as in the public UNets of this type"),
    OpenChoice("upsamplers", "separable", "derived", "dense ones would take 0.85M of the 1.38M"),
    OpenChoice("activation", "SiLU", "unsure", "AutoencoderKL's"),
    OpenChoice("latent channels", "4", "unsure", "those of snapgen-t2i; SD3's teacher has 16"),
)


def decoder_walk() -> dict[str, DecoderSpec]:
    """Return every step of the walk by name, in order."""
    spec, out = _autoencoder_kl(128), {}
    for step in DECODER_WALK:
        spec = out[step.name] = step.edit(spec)
    return out


@lru_cache(maxsize=1)
def all_decoders() -> dict[str, DecoderSpec]:
    """Return every named decoder by name; a step of the walk is ``decoder/step``."""
    walk = decoder_walk()
    named = {
        "sdxl-decoder": _autoencoder_kl(128),
        "sd-decoder": _autoencoder_kl(64),
        "sd3-decoder": _autoencoder_kl(128, in_channels=16, post_quant=False),
        "taesd-decoder": _taesd(64),
        "taesdxl-decoder": _taesd(128),
        "snapgen-decoder": walk["upsampler"],
    }
    steps = {f"decoder/{name}": spec for name, spec in walk.items() if name != "sd"}
    return named | steps


def named_decoder(name: str) -> DecoderSpec:
    """Return the decoder called ``name``; raises :class:`WalkbenchError` listing the known."""
    named = all_decoders()
    return named[name] if name in named else raise_unknown("decoder", name, named)
