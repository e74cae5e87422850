"""A folder that Apple's Swift pipelines load, once its packages are compiled on a Mac.

    swift/Unet.mlpackage (or UnetChunk1, UnetChunk2)   the exported network
    swift/TextEncoder…  swift/VAEDecoder…              of a diffusers pipeline; XL: TextEncoder2 too
    swift/vocab.json  swift/merges.txt                  of its tokenizer
    swift/README.md                                     the commands, and the Swift settings

The pipelines pass unshifted integer timesteps while their noise levels are shifted (3 by default),
so the shift is built into the network's time input, or the pipeline's is set to 1.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from latency_db.packages.atomic_package import disk_errors, package_at
from latency_db.packages.coreml_part import Settings
from latency_db.packages.measured_process import run_measured
from latency_db.packages.package_folder import write_packages
from latency_db.packages.parts import Part, cut, sizes_at
from latency_db.packages.weights import FolderWeights
from search_space.atomic import write_file
from search_space.errors import WalkbenchError
from search_space.spec import UNetSpec
from studies.phone.swift_contract import (
    MERGES,
    MOST_CHUNKS,
    TOKENS,
    VOCABULARY,
    Pipeline,
    pipeline_for,
)

FOLDER = "swift"
SUFFIX = ".mlpackage"
Tick = Callable[[int, int, str], None]


def write_bundle(
    spec: UNetSpec, folder: Path, source: Path, settings: Settings, progress: Tick | None = None
) -> list[dict[str, Any]]:
    """Write the bundle of an exported ``folder`` and return the notes of the network's packages.

    ``source`` is the folder of a diffusers pipeline with the text encoder and the VAE that the
    design was made for. Complete packages are kept. Raises :class:`WalkbenchError` when no Swift
    pipeline runs the design, or the encoder's width or the VAE's channels are others.
    """
    from latency_db.packages.coreml_package import COREML

    pipeline, parts = check_bundle(spec, settings)
    target = folder / FOLDER
    with disk_errors(target):
        fixed = run_measured(write_fixed, pipeline, spec, source, target, settings.target).result
    for name in (VOCABULARY, MERGES):
        from studies.phone.pipeline import tokenizer_file

        write_file(target / name, tokenizer_file(source, name))
    settings = replace(settings, batch=pipeline.batch)
    notes = write_packages(parts, FolderWeights(folder), settings, COREML, target, progress)
    write_file(target / "README.md", readme(pipeline, settings, fixed))
    return notes


def check_bundle(spec: UNetSpec, settings: Settings) -> tuple[Pipeline, tuple[Part, ...]]:
    """Return the pipeline that runs ``spec`` and the programs that it is cut into.

    Raises :class:`WalkbenchError` when no pipeline does, or it cannot load so many programs.
    """
    pipeline, parts = pipeline_for(spec), cut(spec, sizes_at(settings.bits))
    if len(parts) > MOST_CHUNKS:
        raise WalkbenchError(
            f"the network needs {len(parts)} programs at {settings.bits} bits, Apple's pipelines "
            f"load at most {MOST_CHUNKS}; choose fewer --bits"
        )
    return pipeline, parts


def write_fixed(
    pipeline: Pipeline, spec: UNetSpec, source: Path, target: Path, os: str
) -> dict[str, float]:
    """Write text encoders and decoder unless they are there; return the VAE's two factors."""
    import torch

    from studies.phone.pipeline import load_decoder, load_text_encoder

    xl, width = pipeline.batch > 1, 0
    decoder, channels = load_decoder(source)
    if channels != spec.in_channels:
        raise WalkbenchError(
            f"the VAE of {str(source)!r} has {channels} latent channels, the design "
            f"{spec.in_channels}; choose the pipeline it was made for"
        )
    modules: dict[str, Any] = {}
    for model in pipeline.models:
        if model.file.startswith("TextEncoder"):
            name = "text_encoder_2" if model.file.endswith("2") else "text_encoder"
            modules[model.file], added = load_text_encoder(source, name, penultimate=xl)
            width += added
    if width != spec.context.given_width:
        raise WalkbenchError(
            f"the text encoder of {str(source)!r} gives {width} numbers per token, the design "
            f"reads {spec.context.given_width}; choose the pipeline it was made for"
        )
    modules["VAEDecoder"] = decoder
    for model in pipeline.models:
        if model.file in modules:
            shape = next(iter(model.inputs.values()))
            given = torch.zeros(shape)
            _write(modules[model.file], model.inputs, given, model.outputs, target / model.file, os)
    config = decoder.config
    return {
        "scale": float(getattr(config, "scaling_factor", 1.0) or 1.0),
        "shift": float(getattr(config, "shift_factor", 0.0) or 0.0),
    }


def _write(
    module: Any, inputs: Any, given: Any, outputs: tuple[str, ...], path: Path, os: str
) -> None:
    from latency_db.backends.coreml_export import quiet
    from latency_db.packages.coreml_convert import to_coreml

    final = path.with_name(path.name + SUFFIX)
    if final.exists():
        return  # written whole or not at all
    with package_at(final) as made:
        model = to_coreml(module, {next(iter(inputs)): given}, outputs, os, "fp16", path.name)
        with quiet():
            model.save(str(made))


def readme(pipeline: Pipeline, settings: Settings, factors: dict[str, float]) -> str:
    """Return the page in the bundle: compiling, loading, and the settings that must agree."""
    guidance = (
        "    config.guidanceScale = 0.5  // below 1: one call, no guidance; from 1 on, two calls"
        if pipeline.batch == 1
        else "    config.guidanceScale = 5    // this pipeline always calls with both prompts"
    )
    return f"""# A bundle for {pipeline.name}

Compile the packages on a Mac with Xcode; the pipeline loads `.mlmodelc` only:

    for package in *.mlpackage; do xcrun coremlcompiler compile "$package" .; done

Load the folder with apple/ml-stable-diffusion:

    let pipeline = try {pipeline.name}(resourcesAt: folder{_controls(pipeline)})
    var config = {pipeline.name}.Configuration(prompt: "a red circle")
    config.schedulerType = .discreteFlowScheduler
    config.schedulerTimestepShift = {settings.shift}  // the one built into the network
    config.decoderScaleFactor = {factors["scale"]}
    config.decoderShiftFactor = {factors["shift"]}
{guidance}

The network predicts the velocity of a straight path, which is what this scheduler integrates; the
others do not fit. The pipeline passes unshifted timesteps: the network shifts them by
{settings.shift} itself. Prompts are padded and cut to {TOKENS} tokens. Nobody has run this bundle
on a phone; its names, shapes and types are tested against what the Swift sources read.
"""


def _controls(pipeline: Pipeline) -> str:
    return ", controlNet: []" if pipeline.batch == 1 else ""
