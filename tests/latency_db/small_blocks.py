"""One small block of every kind, cheap to build and convert, for the tests of this room."""

from search_space.blocks import (
    AddedEmbed,
    ClassEmbed,
    ContextProj,
    ConvIn,
    ConvOut,
    Fuse,
    Norm,
    Resample,
    ResBlock,
    TimeEmbed,
    TransformerLayer,
    TransformerProjection,
)
from search_space.spec import Conv

NORM = Norm(4, 1e-5, "silu")
MQA = TransformerLayer(4, 8, 1, 4, 24, 7, True, True, 3.0, "rms", True, "skip")
BLOCKS = {
    "conv_in": ConvIn(4, 16, 8),
    "conv_out": ConvOut(16, 4, 8, NORM),
    "time_embed": TimeEmbed(16, 32, "silu"),
    "added_embed": AddedEmbed(16, 2, 8, 32, "silu"),
    "class_embed": ClassEmbed(10, 32),
    "context_proj": ContextProj(24, 32, 7, True),
    "resblock": ResBlock(16, 0, 16, 8, 32, Conv(), NORM),
    "resblock_skip": ResBlock(16, 8, 16, 8, 32, Conv(), NORM),
    "resblock_separable": ResBlock(16, 8, 32, 8, 32, Conv("separable", 2.0), NORM),
    "fuse": Fuse(16, 8, 32, 8),
    "projection": TransformerProjection(32, 32, 4, 4),
    "layer_mqa_rms_rope": MQA,
    "down_dense": Resample("down", 16, 8, Conv()),
    "up_plain": Resample("up", 16, 8, None),
}
