"""Blocks: the units that spaces, costs and latency tables share.

A block is a frozen value that determines its module, cost and latency: kind, widths, resolution,
options. Its key is one readable line that parses back. Equal blocks, within a network or across
networks, share one entry in every cache and table.

Each file holds one family: fields, rules, and the inputs of the module. The modules are in the file
of the same name in :mod:`search_space.modules`, which imports this package, not the reverse, so
that specs, plans and keys load without torch. Code outside of Walkbench may keep both in one file.

>>> from search_space.conv import Conv
>>> block = Resample(direction="down", channels=256, size=128, conv=Conv())
>>> block.key
'resample direction=down channels=256 size=128 conv.kind=dense conv.expansion=1 conv.base=out \
conv.depthwise_bias=0 conv.pointwise_bias=0'
>>> parse_key(block.key) == block
True
"""

from search_space.blocks.block import BLOCK_KINDS, Block, Input, register_block
from search_space.blocks.conv_in_out import ConvIn, ConvOut
from search_space.blocks.decoder import (
    MapAttention,
    PlainResBlock,
    TinyBlock,
    TinyIn,
    TinyOut,
    UpsampleConv,
)
from search_space.blocks.embeddings import AddedEmbed, ClassEmbed, ContextProj, TimeEmbed
from search_space.blocks.norm import Activation, Norm
from search_space.blocks.parse_key import parse_key
from search_space.blocks.resample import Resample
from search_space.blocks.resblock import Fuse, ResBlock
from search_space.blocks.text import (
    RelativePositions,
    TextEmbedding,
    TextLayer,
    TextOutput,
    TextPooled,
)
from search_space.blocks.transformer import (
    QKNorm,
    TransformerLayer,
    TransformerProjection,
    TransformerStack,
    WithoutSelfAttention,
)

__all__ = [
    "BLOCK_KINDS",
    "Activation",
    "AddedEmbed",
    "Block",
    "ClassEmbed",
    "ContextProj",
    "ConvIn",
    "ConvOut",
    "Fuse",
    "Input",
    "MapAttention",
    "Norm",
    "PlainResBlock",
    "QKNorm",
    "RelativePositions",
    "ResBlock",
    "Resample",
    "TextEmbedding",
    "TextLayer",
    "TextOutput",
    "TextPooled",
    "TimeEmbed",
    "TinyBlock",
    "TinyIn",
    "TinyOut",
    "TransformerLayer",
    "TransformerProjection",
    "TransformerStack",
    "UpsampleConv",
    "WithoutSelfAttention",
    "parse_key",
    "register_block",
]
