"""`load_decoder_export(folder)`: the decoder that `walkbench export` wrote there.

spec.json, export.json, README.md, train.yaml   as of a UNet (:mod:`search_space.exported`)
vae/                 config.json and weights of AutoencoderKL or AutoencoderTiny, if one has it
walkbench/           model.safetensors with Walkbench's parameter names, otherwise
encoder.safetensors  the linear encoder whose latents it was trained on, if that is its encoder
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from search_space.decoder.spec import DecoderSpec
from search_space.diffusers_bridge import decoder_state_to_walkbench
from search_space.errors import WalkbenchError
from search_space.exported import OWN_FOLDER, OWN_WEIGHTS, SPEC_FILE
from search_space.modules.network import PlannedNetwork
from search_space.weight_file import read_weights

VAE_FOLDER, VAE_CONFIG = "vae", "config.json"
VAE_WEIGHTS = "diffusion_pytorch_model.safetensors"
ENCODER_FILE = "encoder.safetensors"


def load_decoder_export(folder: str | Path) -> PlannedNetwork:
    """Return the decoder in ``folder``, on the CPU, in its stored precision.

    Raises :class:`WalkbenchError` if it is no export of a decoder, or its weights do not fit.
    """
    folder = Path(folder)
    try:
        spec = DecoderSpec.from_json((folder / SPEC_FILE).read_text(encoding="utf-8"))
    except OSError:
        raise WalkbenchError(
            f"{str(folder)!r} holds no {SPEC_FILE}; name a folder that `walkbench export` wrote"
        ) from None
    own = folder / OWN_FOLDER / OWN_WEIGHTS
    if own.exists():
        state = read_weights(own)
    else:
        state = decoder_state_to_walkbench(spec, read_weights(folder / VAE_FOLDER / VAE_WEIGHTS))
    with torch.device("meta"):
        network = PlannedNetwork(spec)
    network.load_state_dict(checked(network, state), assign=True)
    return network


def checked(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``state``; raises :class:`WalkbenchError` where it is not that of ``network``."""
    wanted = {name: tuple(p.shape) for name, p in network.named_parameters()}
    given = {name: tuple(value.shape) for name, value in state.items()}
    if wanted != given:
        name = next(n for n in (*wanted, *given) if wanted.get(n) != given.get(n))
        raise WalkbenchError(
            f"the weights are not this decoder's: {name} is {given.get(name, 'missing')}, "
            f"{wanted.get(name, 'nothing')} is needed"
        )
    return dict(state)
