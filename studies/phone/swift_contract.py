"""What Apple's Swift pipelines expect of a bundle, and which of them runs a design.

Read from apple/ml-stable-diffusion at e12202c (2025-07-03): `Unet.swift`, `TextEncoder.swift`,
`TextEncoderXL.swift`, `Decoder.swift`, the two pipelines and their resources, and the Python
converter that declares the inputs.

>>> from search_space.presets import named_spec
>>> pipeline_for(named_spec("sd15")).name, pipeline_for(named_spec("sdxl")).batch
('StableDiffusionPipeline', 2)
>>> pipeline_for(named_spec("dreamlite"))
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: no Swift pipeline of Apple's passes time_ids without ...
"""

from dataclasses import dataclass

from search_space.errors import WalkbenchError
from search_space.spec import UNetSpec

TOKENS = 77  # of CLIP's text encoders, to which the tokenizer pads
TIME_IDS = 6  # original size, crop, target size: two numbers each
MOST_CHUNKS = 2  # UnetChunk1 and UnetChunk2
DEFAULT_SHIFT = 3.0  # PipelineConfiguration.schedulerTimestepShift
VOCABULARY, MERGES = "vocab.json", "merges.txt"


@dataclass(frozen=True)
class Model:
    """One compiled model of a bundle: shapes of its inputs and names of its outputs."""

    file: str
    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Pipeline:
    """One Swift pipeline: the batch it calls the network with, and the models it loads."""

    name: str
    batch: int
    models: tuple[Model, ...]


def pipeline_for(spec: UNetSpec) -> Pipeline:
    """Return the pipeline that can run ``spec``; raises :class:`WalkbenchError` saying why none."""
    conditions, context = spec.conditions, spec.context
    if conditions.classes:
        raise WalkbenchError(
            "no Swift pipeline of Apple's passes class labels; choose a design without classes"
        )
    if context.tokens != TOKENS:
        raise WalkbenchError(
            f"Apple's Swift pipelines pass {TOKENS} tokens, as CLIP's text encoder takes; this "
            f"design reads {context.tokens}"
        )
    width, size = context.given_width, spec.latent_size
    decoder = Model("VAEDecoder", {"z": (1, spec.in_channels, size, size)}, ("image",))
    ids: dict[str, tuple[int, ...]] = {"input_ids": (1, TOKENS)}
    if not conditions.pooled_width and not conditions.size_ids:
        text = Model("TextEncoder", ids, ("last_hidden_state", "pooled_outputs"))
        return Pipeline("StableDiffusionPipeline", 1, (text, _unet(spec, 1, width), decoder))
    if not conditions.pooled_width or conditions.size_ids != TIME_IDS:
        raise WalkbenchError(
            "no Swift pipeline of Apple's passes time_ids without text_embeds, or another number "
            f"than {TIME_IDS} of them; this design has {conditions.size_ids} and text_embeds of "
            f"{conditions.pooled_width}"
        )
    texts = (
        Model(file, ids, ("hidden_embeds", "pooled_outputs"))
        for file in ("TextEncoder", "TextEncoder2")
    )
    return Pipeline("StableDiffusionXLPipeline", 2, (*texts, _unet(spec, 2, width), decoder))


def _unet(spec: UNetSpec, batch: int, width: int) -> Model:
    inputs: dict[str, tuple[int, ...]] = {
        "sample": (batch, spec.in_channels, spec.latent_size, spec.latent_size),
        "timestep": (batch,),
        "encoder_hidden_states": (batch, width, 1, TOKENS),
    }
    if spec.conditions.pooled_width:
        inputs["time_ids"] = (batch, TIME_IDS)
        inputs["text_embeds"] = (batch, spec.conditions.pooled_width)
    return Model("Unet", inputs, ("noise_pred",))
