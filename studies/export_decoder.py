"""`export_decoder(decoder, folder)`: write a decoder, its figures and its weights into a folder.

    spec.json       the decoder
    export.json     figures, class, weights
    README.md       the same for people, with the lines that load it
    train.yaml      the recipe that `walkbench train` follows
    vae/            config.json and weights of AutoencoderKL or AutoencoderTiny, if one has it
    walkbench/      model.safetensors with Walkbench's parameter names, otherwise
    encoder.safetensors  the linear encoder that it was trained with, where it was
    coreml/ …       packages of phone runtimes, where they were asked for

The encoder of a stock autoencoder, and the factors of its latents, are those of the VAE that is
given; without one the folder holds the decoder's half alone. Weights are initial values of a seed,
or those of a checkpoint.

>>> import tempfile
>>> from search_space.decoder import DecoderMid, DecoderSpec, DecoderStage
>>> small = DecoderSpec((DecoderStage(32, 2), DecoderStage(32, 2)), DecoderMid(), latent_size=4)
>>> with tempfile.TemporaryDirectory() as name:
...     done = export_decoder(small, Path(name) / "small")
...     done.class_name, load_decoder_export(Path(name) / "small").network == small
('AutoencoderKL', True)
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latency_db.sources import source_of
from proxies.picture_encoder import LinearEncoder
from proxies.train_config import DecoderTrainConfig, decoder_config_for
from proxies.train_yaml import render
from search_space.atomic import atomic_folder
from search_space.cost import cost
from search_space.decoder.spec import DecoderSpec
from search_space.diffusers_bridge import (
    config_from_decoder,
    decoder_from_config,
    decoder_parameter_names,
)
from search_space.errors import WalkbenchError
from search_space.exported import (
    FACTS_FILE,
    OWN_FOLDER,
    OWN_WEIGHTS,
    PACKAGE_FOLDERS,
    README_FILE,
    SPEC_FILE,
    TRAIN_FILE,
)
from search_space.exported_decoder import (
    ENCODER_FILE,
    VAE_CONFIG,
    VAE_FOLDER,
    VAE_WEIGHTS,
    checked,
    load_decoder_export,
)
from search_space.initialise import draws
from search_space.modules.network import PlannedNetwork
from search_space.presets import name_of
from search_space.provenance import provenance
from search_space.weight_file import read_weights, write_weights
from studies.export import DTYPES, Dtype, Exported
from studies.export_decoder_readme import decoder_readme

OWN_CLASS = "search_space.modules.network.PlannedNetwork"
_OURS = (
    SPEC_FILE,
    FACTS_FILE,
    README_FILE,
    TRAIN_FILE,
    VAE_FOLDER,
    OWN_FOLDER,
    ENCODER_FILE,
    *PACKAGE_FOLDERS,
)
_ENCODER = ("encoder.", "quant_conv.")


def export_decoder(
    spec: DecoderSpec,
    folder: Path,
    *,
    seed: int = 0,
    state: Mapping[str, Tensor] | None = None,
    vae: Path | None = None,
    dtype: Dtype = "fp32",
    device: str = "iPhone 15 Pro",
    overwrite: bool = False,
    weights: Mapping[str, Any] | None = None,
    recipe: DecoderTrainConfig | None = None,
    trained: Mapping[str, Any] | None = None,
    encoder: LinearEncoder | None = None,
) -> Exported:
    """Write ``spec`` into ``folder``; ``state`` are its weights under Walkbench's names.

    Without ``state`` they are drawn from ``seed``. ``vae`` is the folder of an autoencoder whose
    encoder and factors go along. ``weights`` says in the facts where they are from, ``trained`` on
    what; ``encoder`` is the linear one that they were trained with. ``recipe`` is that of
    :func:`decoder_config_for` by default. Raises :class:`WalkbenchError` for a folder that is in
    the way, weights that are not the spec's, and a VAE of other latents.
    """
    check_folder(folder, overwrite)
    with torch.device("meta"):
        network = PlannedNetwork(spec)
    given = dict(draws(network, seed)) if state is None else checked(network, state)
    config, why_own = _stock_config(spec)
    theirs: dict[str, Tensor] = {}
    if vae is not None:
        if config is None:
            raise WalkbenchError(f"a VAE is of no use here: {why_own}; leave it out")
        theirs, config = _encoder_of(vae, spec, config)
    facts = {
        "kind": spec.kind,
        "digest": spec.digest(),
        "name": name_of(spec),
        "class": config["_class_name"] if config else OWN_CLASS,
        "why_own": why_own,
        "weights": {**(weights or {"kind": "initial", "seed": seed}), "dtype": dtype},
        "encoder": str(vae.name) if vae is not None else None,
        **({"trained": dict(trained)} if trained else {}),
        **asdict(cost(spec)),
        "latent": spec.latent_size,
        "picture": spec.picture_size,
        "latency": {"device": device, **asdict(source_of(device).predict(spec))},
        "provenance": provenance(),
    }
    try:
        with atomic_folder(folder, replaces=_OURS) as work:
            _write_weights(spec, given, theirs, config, work, dtype)
            if encoder is not None:
                encoder.save(work / ENCODER_FILE)
            text = render(recipe or decoder_config_for(spec), spec, facts["name"])
            _write(work / TRAIN_FILE, text)
            _write(work / SPEC_FILE, spec.to_json(indent=2))
            _write(work / FACTS_FILE, json.dumps(facts, indent=2, ensure_ascii=False))
            _write(work / README_FILE, decoder_readme(facts))
    except OSError as error:
        raise WalkbenchError(
            f"cannot write to {str(folder)!r}: {error.strerror or error}; choose another folder"
        ) from None
    files = tuple(sorted(path for path in folder.rglob("*") if path.is_file()))
    return Exported(folder, facts["class"], why_own, facts["digest"], facts["params"], files)


def earlier_decoder_export(
    spec: DecoderSpec, folder: Path, weights: Mapping[str, Any]
) -> Exported | None:
    """Return what ``folder`` holds if it is this very export: packages are then added to it."""
    try:
        about = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    if (about.get("digest"), about.get("weights")) != (spec.digest(), dict(weights)):
        return None
    files = [path for path in folder.rglob("*") if path.is_file()]
    ours = (p for p in files if p.relative_to(folder).parts[0] not in PACKAGE_FOLDERS)
    facts = (about["class"], about["why_own"], about["digest"], about["params"])
    return Exported(folder, *facts, tuple(sorted(ours)))


class DecoderWeights:
    """The weights in the folder of a decoder's export, for packages."""

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def revision(self) -> str:
        """Digest of the facts, which name spec, seed or checkpoint, and precision."""
        import hashlib

        about = json.loads((self.folder / FACTS_FILE).read_text(encoding="utf-8"))
        said = json.dumps([about["digest"], about["weights"]], sort_keys=True)
        return f"decoder {hashlib.sha256(said.encode()).hexdigest()[:16]}"

    def read(self, network: Any, module: nn.Module) -> dict[str, Tensor]:
        """Return the parameters of ``module`` in float32."""
        state = load_decoder_export(self.folder).state_dict()
        return {name: state[name].float() for name, _ in module.named_parameters()}


def check_folder(folder: Path, overwrite: bool) -> None:
    """Raise :class:`WalkbenchError` unless ``folder`` is free, or an export to be replaced."""
    from studies.export import check_folder

    check_folder(folder, overwrite)


def _stock_config(spec: DecoderSpec) -> tuple[dict[str, Any] | None, str | None]:
    try:
        return config_from_decoder(spec)[1], None
    except WalkbenchError as error:
        return None, str(error)


def _encoder_of(
    vae: Path, spec: DecoderSpec, config: dict[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the encoder's weights of the autoencoder in ``vae``, and its config for ``spec``."""
    try:
        theirs: dict[str, Any] = json.loads((vae / VAE_CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise WalkbenchError(
            f"{str(vae)!r} has no {VAE_CONFIG} of an autoencoder; name the folder of a VAE"
        ) from None
    if theirs.get("_class_name") != config["_class_name"]:
        raise WalkbenchError(
            f"{str(vae)!r} is a {theirs.get('_class_name')}, and this decoder needs a "
            f"{config['_class_name']}; name another VAE"
        )
    other = decoder_from_config(theirs)
    if other.in_channels != spec.in_channels:
        raise WalkbenchError(
            f"the VAE in {str(vae)!r} has {other.in_channels} latent channels, the decoder reads "
            f"{spec.in_channels}; name a VAE of its latents"
        )
    theirs_alike, ours = ([(s.channels, s.blocks) for s in one.stages] for one in (other, spec))
    if config["_class_name"] == "AutoencoderKL" and theirs_alike != ours:
        raise WalkbenchError(
            f"one config of AutoencoderKL has encoder and decoder alike: {str(vae)!r} has "
            f"(channels, blocks) {theirs_alike}, the decoder {ours}; leave the VAE out"
        )
    state = read_weights(vae / VAE_WEIGHTS)
    encoder = {name: value for name, value in state.items() if name.startswith(_ENCODER)}
    kept = {k: v for k, v in theirs.items() if k in config and not k.startswith("_")}
    decoders = ("decoder_block_out_channels", "num_decoder_blocks", "act_fn", "sample_size")
    return encoder, {**config, **kept, **{k: config[k] for k in decoders if k in config}}


def _write_weights(
    spec: DecoderSpec,
    state: dict[str, Tensor],
    encoder: dict[str, Tensor],
    config: dict[str, Any] | None,
    work: Path,
    dtype: Dtype,
) -> None:
    names, path = {name: name for name in state}, work / OWN_FOLDER / OWN_WEIGHTS
    if config is not None:
        names, path = decoder_parameter_names(spec), work / VAE_FOLDER / VAE_WEIGHTS
    path.parent.mkdir()
    if config is not None:
        _write(path.parent / VAE_CONFIG, json.dumps(config, indent=2))

    def tensors() -> Iterator[tuple[str, Tensor]]:
        yield from encoder.items()
        for ours, theirs in names.items():
            yield theirs, state[ours]

    shapes = {name: tuple(value.shape) for name, value in tensors()}
    write_weights(path, shapes, tensors(), DTYPES[dtype])


def _write(path: Path, text: str) -> None:
    path.write_text(text.rstrip() + "\n", encoding="utf-8")
