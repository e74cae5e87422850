"""The decoder as a kind of network.

>>> from search_space.network import NETWORK_KINDS
>>> NETWORK_KINDS.get("decoder").words
'picture decoder'
"""

from typing import TYPE_CHECKING

from search_space.decoder.axes import DECODER_AXES
from search_space.decoder.spec import DecoderSpec
from search_space.network import NetworkKind

if TYPE_CHECKING:
    from torch import nn


def _module(spec: DecoderSpec) -> "nn.Module":
    from search_space.modules.network import PlannedNetwork

    return PlannedNetwork(spec)


DECODER = NetworkKind("decoder", "picture decoder", DecoderSpec.from_dict, _module, DECODER_AXES)
