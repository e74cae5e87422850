"""The UNet as a kind of network.

>>> from search_space.network import network_kind
>>> network_kind("unet").words
'text-to-image UNet'
"""

from typing import TYPE_CHECKING

from search_space.network import NetworkKind, register_kind
from search_space.spec import UNetSpec

if TYPE_CHECKING:
    from torch import nn


def _module(spec: UNetSpec) -> "nn.Module":
    from search_space.unet import UNet

    return UNet(spec)


UNET = register_kind(NetworkKind("unet", "text-to-image UNet", UNetSpec.from_dict, _module))
