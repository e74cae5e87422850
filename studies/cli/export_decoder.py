"""`walkbench export` of a decoder: the same command and options, another folder.

JSON as of a UNet: ``folder``, ``class`` (AutoencoderKL, AutoencoderTiny or Walkbench's own),
``why_own``, ``digest``, ``params``, ``weights``, ``files`` and ``packages``.

>>> decoder_named("sd15"), decoder_named("sd-decoder").latent_size
(None, 64)
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studies.cli import export_packages
from studies.cli.output import Format, emit

if TYPE_CHECKING:
    from search_space.decoder import DecoderSpec
    from studies.export_weights import Weights
    from studies.phone.packages import Request

VaeOption = Annotated[
    Path | None,
    typer.Option(
        "--vae",
        metavar="DIR",
        help="Of a decoder: autoencoder of diffusers whose encoder goes into the folder.",
    ),
]


def decoder_named(
    design: str, study: str | None = None, storage: str | None = None
) -> "DecoderSpec | None":
    """Return the decoder that is named, or is the design of a trial; None for anything else.

    Raises :class:`WalkbenchError` for a design that is not known.
    """
    from search_space.decoder import DecoderSpec
    from search_space.load import load_network

    if design.isdecimal():
        from studies.export_design import trial_of

        spec = trial_of(int(design), study, storage)[1].spec
        return DecoderSpec.from_dict(spec) if spec and spec.get("kind") == "decoder" else None
    network = load_network(design)
    return network if isinstance(network, DecoderSpec) else None


def export_decoder(
    spec: "DecoderSpec",
    to: Path | None,
    request: "Request",
    format: Format,
    *,
    swift: Path | None,
    overwrite: bool,
    weights: "Weights",
    **options: Any,
) -> None:
    """Write the decoder's folder, add its packages, and print what was written."""
    import torch

    from search_space.errors import WalkbenchError
    from search_space.network import build_network
    from studies.export_decoder import DecoderWeights, earlier_decoder_export
    from studies.export_decoder import export_decoder as write
    from studies.phone.packages import add_packages

    if to is None:
        raise WalkbenchError("name the folder to write with --to")
    if swift is not None:
        raise WalkbenchError(
            "--swift makes a bundle around a UNet; --coreml writes VAEDecoder.mlpackage, the name "
            "that Apple's pipelines read"
        )
    if request.core_ml.shift != 1:
        raise WalkbenchError("--shift is of a UNet's timesteps; a decoder has none, leave it out")
    export_packages.check(spec, request, options["device"])
    facts, done = weights.facts, None
    if request.formats and not overwrite:
        done = earlier_decoder_export(spec, to, {**facts, "dtype": options["dtype"]})
    if done is None:
        with torch.device("meta"):
            network = build_network(spec)
        state = dict(weights.tensors(spec, network))
        done = write(spec, to, state=state, overwrite=overwrite, weights=facts, **options)
    notes = export_packages.with_phases(
        lambda phase: add_packages(spec, to, request, phase, DecoderWeights(to))
    )
    row = {
        "folder": str(done.folder),
        "class": done.class_name,
        "why_own": done.why_own,
        "digest": done.digest,
        "params": done.params,
        "weights": {**facts, "dtype": options["dtype"]},
        "files": [str(path) for path in done.files],
        "packages": notes,
    }
    emit(row, format)
