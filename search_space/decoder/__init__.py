"""Picture decoders: from latents to pixels, as a kind of network.

>>> from search_space.cost import cost
>>> cost(named_decoder("sd-decoder")).params
49490199
"""

from search_space.decoder.presets import all_decoders, named_decoder
from search_space.decoder.spec import DecoderMid, DecoderSpec, DecoderStage

__all__ = ["DecoderMid", "DecoderSpec", "DecoderStage", "all_decoders", "named_decoder"]
