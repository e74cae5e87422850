"""The diffusers models themselves: building one, and calling it with a UNet's arguments.

The only module that imports diffusers, and only inside its functions.

>>> from search_space.presets import named_spec
>>> stock_inputs(named_spec("sd15"), {"latents": 1, "timesteps": 2, "context": 3})
{'sample': 1, 'timestep': 2, 'encoder_hidden_states': 3}
"""

from collections.abc import Mapping
from typing import Any

from search_space.diffusers_bridge.classes import CLASSES
from search_space.diffusers_bridge.decoder_config import DECODER_CLASSES
from search_space.errors import WalkbenchError, raise_unknown
from search_space.spec import UNetSpec

_ARGUMENTS = {
    "latents": "sample",
    "timesteps": "timestep",
    "context": "encoder_hidden_states",
    "classes": "class_labels",
}
_ADDED = {"pooled": "text_embeds", "size_ids": "time_ids"}


def stock_class(name: str) -> Any:
    """Return diffusers' class; raises :class:`WalkbenchError` when diffusers is missing or old."""
    if name not in CLASSES and name not in DECODER_CLASSES:
        raise_unknown("diffusers class", name, [*CLASSES, *DECODER_CLASSES])
    try:
        import diffusers
    except ImportError:
        raise WalkbenchError(
            "diffusers is not installed; pip install 'walkbench[diffusers]'"
        ) from None
    if not hasattr(diffusers, name):
        raise WalkbenchError(
            f"diffusers {diffusers.__version__} has no {name}; pip install 'diffusers>=0.42'"
        )
    return getattr(diffusers, name)


def stock_unet(config: Mapping[str, Any]) -> Any:
    """Return the diffusers model of ``config``, on torch's default device and dtype."""
    return stock_class(config["_class_name"]).from_config(dict(config))


def stock_autoencoder(config: Mapping[str, Any]) -> Any:
    """Return the diffusers autoencoder of ``config``, on torch's default device and dtype."""
    return stock_class(config["_class_name"]).from_config(dict(config))


def stock_inputs(spec: UNetSpec, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``UNet(spec)`` as those of the diffusers model that equals it."""
    out = {_ARGUMENTS[name]: value for name, value in inputs.items() if name in _ARGUMENTS}
    added = {_ADDED[name]: value for name, value in inputs.items() if name in _ADDED}
    return {**out, "added_cond_kwargs": added} if added else out
