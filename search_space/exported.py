"""`load_exported(folder)`: the network that `walkbench export` wrote there.

Contents of the folder:

    spec.json         the spec
    export.json       figures, class, weights, format of the folder
    provenance.json   versions, and the trial and machine that the figures come from
    README.md         the same for people, with the lines that load the network
    model_index.json  what diffusers' pipeline consists of
    train.yaml        the recipe that `walkbench train` follows
    unet/             config.json, diffusion_pytorch_model.safetensors, and walkbench_unet.py where
                      no class of diffusers builds the network
    scheduler/        the sampler's config
    captions.safetensors  the table that a proxy's twin reads captions through
    vae/ …            parts of a pipeline, where they were asked for
    coreml/ …         packages of phone runtimes, where they were asked for

Version 0.1 wrote networks without a class of diffusers to `walkbench/model.safetensors`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from search_space.diffusers_bridge import state_dict_to_walkbench
from search_space.diffusers_bridge.carried import CLASS_NAME
from search_space.errors import WalkbenchError
from search_space.network import DEFAULT_KIND
from search_space.spec import UNetSpec
from search_space.unet import UNet
from search_space.weight_file import read_weights

FORMAT = 2  # of the folder; 1 is that of version 0.1
SPEC_FILE = "spec.json"
FACTS_FILE = "export.json"
README_FILE = "README.md"
PROVENANCE_FILE = "provenance.json"
INDEX_FILE = "model_index.json"
TRAIN_FILE = "train.yaml"
CAPTIONS_FILE = "captions.safetensors"  # of a proxy's twin: its table of words and places
STOCK_FOLDER = "unet"  # the name that diffusers' pipelines give it
STOCK_CONFIG = "config.json"
STOCK_WEIGHTS = "diffusion_pytorch_model.safetensors"
SCHEDULER_FOLDER = "scheduler"
PIPELINE_FOLDERS = ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
OWN_FOLDER = "walkbench"  # of version 0.1, with OWN_WEIGHTS in it
OWN_WEIGHTS = "model.safetensors"
PACKAGE_FOLDERS = ("coreml", "coreai", "onnx", "swift")


@dataclass(frozen=True)
class StoredWeights:
    """The weights of an export; ``stock``: under the names of diffusers, not of :class:`UNet`.

    With ``moments`` the network predicts what :class:`search_space.modules.moments.Moments` leaves
    over; the class in the folder adds it, a plain :class:`UNet` does not.
    """

    path: Path
    stock: bool
    moments: dict[str, float] | None = None


def stored_weights(folder: Path) -> StoredWeights:
    """Return where an export keeps its weights, whether or not the file is there."""
    own = folder / OWN_FOLDER / OWN_WEIGHTS
    if own.exists():
        return StoredWeights(own, stock=False)
    try:
        text = (folder / STOCK_FOLDER / STOCK_CONFIG).read_text(encoding="utf-8")
        config = json.loads(text)
    except (OSError, ValueError, RecursionError):
        config = {}
    path = folder / STOCK_FOLDER / STOCK_WEIGHTS
    is_own = config.get("_class_name") == CLASS_NAME
    return StoredWeights(path, not is_own, config.get("moments"))


def read_facts(folder: Path) -> dict[str, Any] | None:
    """Return `export.json` of ``folder``, None where there is none that can be read.

    Raises :class:`WalkbenchError` for a folder that a newer version wrote.
    """
    try:
        facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(facts, dict):
        return None
    version = facts.get("format", 1)
    if type(version) is not int or version > FORMAT:
        raise WalkbenchError(
            f"{str(folder)!r} is of export format {version!r}, this version reads up to "
            f"{FORMAT}; upgrade Walkbench to read it"
        )
    return facts


def exported_kind(folder: Path) -> str:
    """Return the kind of network in ``folder``, without reading all of it.

    Raises :class:`WalkbenchError` where there is no spec.
    """
    try:
        data = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise WalkbenchError(
            f"{str(folder)!r} holds no {SPEC_FILE}; name a folder that `walkbench export` wrote"
        ) from None
    return str(data.get("kind", DEFAULT_KIND)) if isinstance(data, dict) else DEFAULT_KIND


def load_exported(folder: str | Path) -> UNet:
    """Return the UNet in ``folder``, on the CPU, in its stored precision.

    Raises :class:`WalkbenchError` if the folder is not an export or of a newer version, or its
    weights are missing, damaged, or do not match its spec.
    """
    folder = Path(folder)
    spec = read_spec(folder)
    stored = stored_weights(folder)
    state = read_weights(stored.path)
    if stored.stock:
        state = state_dict_to_walkbench(spec, state)
    with torch.device("meta"):
        unet = UNet(spec)
    try:
        unet.load_state_dict(state, assign=True)
    except RuntimeError as error:
        first = " ".join(str(error).split())[:200]
        raise WalkbenchError(
            f"the weights in {str(folder)!r} are not its spec's: {first}"
        ) from None
    return unet


def read_spec(folder: Path) -> UNetSpec:
    """Return the spec of an export.

    Raises :class:`WalkbenchError` if there is none, it is malformed, or the folder is newer.
    """
    read_facts(folder)
    path = folder / SPEC_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise WalkbenchError(
            f"{str(folder)!r} holds no {SPEC_FILE}; name a folder that `walkbench export` wrote"
        ) from None
    try:
        return UNetSpec.from_json(text)
    except WalkbenchError as error:
        raise WalkbenchError(f"{path}: {error}") from None
