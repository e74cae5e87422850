"""The `nn.Module` of every block kind, and `build(block)` that makes it.

Modules contain no topology; a network's plan decides the order. A module is called with its
block's inputs by name.

>>> import torch
>>> from search_space.blocks import ConvIn
>>> build(ConvIn(4, 32, 16))(torch.zeros(1, 4, 16, 16)).shape
torch.Size([1, 32, 16, 16])
"""

from search_space.modules.activations import ACTIVATIONS
from search_space.modules.conv_in_out import Conv3x3
from search_space.modules.decoder import (
    MapAttention,
    PlainResBlock,
    TinyBlock,
    TinyIn,
    TinyOut,
    UpsampleConv,
)
from search_space.modules.embeddings import AddedEmbed, ClassEmbed, ContextProj, TimeEmbed, sinusoid
from search_space.modules.registry import block_inputs, build, example, module_of
from search_space.modules.resample import Resample
from search_space.modules.resblock import Fuse, ResBlock
from search_space.modules.text import TextLayer
from search_space.modules.transformer import (
    FeedForward,
    TransformerLayer,
    TransformerProjection,
    TransformerStack,
)

__all__ = [
    "ACTIVATIONS",
    "AddedEmbed",
    "ClassEmbed",
    "ContextProj",
    "Conv3x3",
    "FeedForward",
    "Fuse",
    "MapAttention",
    "PlainResBlock",
    "ResBlock",
    "Resample",
    "TextLayer",
    "TimeEmbed",
    "TinyBlock",
    "TinyIn",
    "TinyOut",
    "TransformerLayer",
    "TransformerProjection",
    "TransformerStack",
    "UpsampleConv",
    "block_inputs",
    "build",
    "example",
    "module_of",
    "sinusoid",
]
