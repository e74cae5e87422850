"""UNets and decoders of diffusers as specs and back: configs and weights, the same output.

    spec = spec_from_config(json.load(open("unet/config.json")))
    unet = UNet(spec)
    unet.load_state_dict(state_dict_to_walkbench(spec, load_file("unet/….safetensors")))

Converting needs no diffusers; :mod:`search_space.diffusers_bridge.stock` builds the models
themselves and is the only module that imports it.

>>> from search_space.presets import named_spec
>>> name, config = config_from_spec(named_spec("dreamlite"))
>>> spec_from_config(config) == named_spec("dreamlite")
True
"""

from search_space.diffusers_bridge.decoder_config import config_from_decoder, decoder_from_config
from search_space.diffusers_bridge.decoder_weights import (
    decoder_parameter_names,
    decoder_state_to_diffusers,
    decoder_state_to_walkbench,
)
from search_space.diffusers_bridge.from_config import network_from_config, spec_from_config
from search_space.diffusers_bridge.to_config import config_from_spec
from search_space.diffusers_bridge.weights import (
    parameter_names,
    state_dict_to_diffusers,
    state_dict_to_walkbench,
)

__all__ = [
    "config_from_decoder",
    "config_from_spec",
    "decoder_from_config",
    "decoder_parameter_names",
    "decoder_state_to_diffusers",
    "decoder_state_to_walkbench",
    "network_from_config",
    "parameter_names",
    "spec_from_config",
    "state_dict_to_diffusers",
    "state_dict_to_walkbench",
]
