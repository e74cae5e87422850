"""What an estimate sees of a network: its operators, in the terms that decide milliseconds.

A traced :class:`search_space.trace.Op` becomes an :class:`Operator` of a coarser kind, after what
Core ML's converter does to every network is done to it as well: a batch normalisation folds into
the convolution beside it, and an activation is applied as its producer writes. The published
networks and our own blocks go through the same door, so that a fit to the first prices the second.

>>> from search_space.trace import Op
>>> operator(Op("norm", "native_batch_norm", 0, 64, 1024, 1024, (1, 16, 8, 8))) is None
True
>>> operator(Op("attention", "scaled_dot_product_attention", 8192, 0, 768, 256, (1, 2, 16, 8)))
Operator(kind='attention', macs=8192, weights=0, moved=1024, maps=512, heads=2)
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from search_space.trace import Op

Kind = Literal[
    "conv",  # dense, kernel larger than 1; grouped ones too
    "matrix",  # pointwise convolution, linear, product of two activations
    "depthwise",
    "attention",  # softmax(QKᵀ)V traced as one operator
    "softmax",
    "norm",  # layer, group and RMS norms: they need statistics of their input at run time
    "elementwise",  # two operands, reductions, pools
    "activation",  # one operand, fused into its producer
    "silu",  # fused since iOS 17; a detour before
    "rearrange",  # transposes that are carried out, gathers, shifts
    "join",  # concatenation, padding, resizing, look-up: written where the consumer reads
    "unknown",  # the tracer does not know it; its values are moved at the rearranging rate
]
KINDS: tuple[Kind, ...] = get_args(Kind)

_ACTIVATIONS = frozenset(
    (
        *("relu", "relu_", "gelu", "hardtanh", "hardtanh_", "clamp_min", "sigmoid", "sigmoid_"),
        *("hardsigmoid", "hardsigmoid_", "hardswish", "hardswish_", "leaky_relu", "leaky_relu_"),
        *("elu", "mish", "tanh"),
    )
)
_REARRANGE = frozenset(
    ("clone", "_to_copy", "index", "copy_", "roll", "im2col", "col2im", "channel_shuffle", "flip")
)
_PLAIN: dict[str, Kind] = {
    **dict.fromkeys(("conv", "grouped"), "conv"),
    **dict.fromkeys(("pointwise", "linear", "matmul"), "matrix"),
    **dict.fromkeys(("elementwise", "reduce", "pool"), "elementwise"),
    **dict.fromkeys(("copy", "resize"), "join"),
    "depthwise": "depthwise",
    "softmax": "softmax",
    "norm": "norm",
    "other": "unknown",
}


@dataclass(frozen=True)
class Operator:
    """One operator; everything is counted in values, not bytes.

    ``moved`` is what it reads and writes of activations, ``maps`` the entries of attention maps it
    makes, ``heads`` how many separate maps those are.
    """

    kind: Kind
    macs: int
    weights: int
    moved: int
    maps: int = 0
    heads: int = 1


def operator(op: Op) -> Operator | None:
    """Return what is left of ``op`` after conversion, or None when nothing is."""
    moved = op.read_values + op.write_values
    if "batch_norm" in op.name:
        return None
    if op.kind == "attention":
        # macs = 2 · heads · queries · keys · head_dim, counted over the batch
        maps = op.macs // (2 * op.shape[-1])
        return Operator("attention", op.macs, 0, moved, maps, math.prod(op.shape[:-2]))
    if op.kind == "softmax":
        heads = math.prod(op.shape[:-2]) if len(op.shape) > 2 else 1
        return Operator("softmax", 0, 0, moved, op.write_values, heads)
    if op.name == "embedding":  # a look-up reads the rows it returns, not the table
        return Operator("join", 0, 0, 2 * op.write_values)
    return Operator(_kind(op), op.macs, op.weight_values, moved)


def _kind(op: Op) -> Kind:
    if op.name.startswith("silu"):
        return "silu"
    if op.name in _ACTIVATIONS:
        return "activation"
    if op.name in _REARRANGE:
        return "rearrange"
    return _PLAIN[op.kind]


def operators(ops: Iterable[Op]) -> Counter[Operator]:
    """Return the distinct operators of a trace with how often each occurs."""
    return Counter(made for made in map(operator, ops) if made is not None)


def unknown_names(ops: Iterable[Op]) -> tuple[str, ...]:
    """Return the names of the operators that the tracer has no kind for, sorted."""
    return tuple(sorted({op.name for op in ops if op.kind == "other"}))
