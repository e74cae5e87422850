"""`load_exported(folder)`: the network that `walkbench export` wrote there.

Contents of the folder:

    spec.json       the spec
    export.json     figures and their origin, class, weights
    README.md       the same for people, with the lines that load the network
    unet/           config.json and diffusion_pytorch_model.safetensors for the stock diffusers
                    class, if there is one
    walkbench/      model.safetensors with Walkbench's parameter names, otherwise
    coreml/ …       packages of phone runtimes, where they were asked for

The folder holds one copy of the weights; :func:`load_exported` reads either.
"""

from pathlib import Path

import torch

from search_space.diffusers_bridge import state_dict_to_walkbench
from search_space.errors import WalkbenchError
from search_space.spec import UNetSpec
from search_space.unet import UNet
from search_space.weight_file import read_weights

SPEC_FILE = "spec.json"
FACTS_FILE = "export.json"
README_FILE = "README.md"
STOCK_FOLDER = "unet"  # the name that diffusers' pipelines give it
STOCK_CONFIG = "config.json"
STOCK_WEIGHTS = "diffusion_pytorch_model.safetensors"
OWN_FOLDER = "walkbench"
OWN_WEIGHTS = "model.safetensors"
PACKAGE_FOLDERS = ("coreml", "coreai", "onnx", "swift")


def load_exported(folder: str | Path) -> UNet:
    """Return the UNet in ``folder``, on the CPU, in its stored precision.

    Raises :class:`WalkbenchError` if the folder is not an export, or its weights are missing,
    damaged, or do not match its spec.
    """
    folder = Path(folder)
    spec = _read_spec(folder)
    own = folder / OWN_FOLDER / OWN_WEIGHTS
    if own.exists():
        state = read_weights(own)
    else:
        state = state_dict_to_walkbench(spec, read_weights(folder / STOCK_FOLDER / STOCK_WEIGHTS))
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


def _read_spec(folder: Path) -> UNetSpec:
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
