"""A network as an estimate sees it: its operators, in the terms that decide milliseconds.

A traced :class:`search_space.trace.Op` becomes an :class:`Operator` of a coarser kind, after the
rewrites that Core ML's converter applies to every network: a batch normalisation folds into the
convolution beside it, an activation is applied as its producer writes, and attention is one
operator however PyTorch spells it. Published networks and our own blocks go through the same
rewrites, so that a fit to the first prices the second.

>>> from search_space.trace import Op
>>> operator(Op("norm", "native_batch_norm", 0, 64, 1024, 1024, (1, 16, 8, 8))) is None
True
>>> operator(Op("attention", "scaled_dot_product_attention", 8192, 0, 768, 256, (1, 2, 16, 8)))
Operator(kind='attention', macs=8192, weights=0, moved=1024, maps=512, heads=2)
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from search_space.trace import Op

Kind = Literal[
    "conv",  # dense, kernel larger than 1; grouped ones too
    "matrix",  # pointwise convolution
    "linear",  # product with a weight or of two activations, over tokens
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
    "pointwise": "matrix",
    **dict.fromkeys(("linear", "matmul"), "linear"),
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
    return Counter(_converted(list(ops)))


def _converted(ops: list[Op]) -> Iterator[Operator]:
    """Yield what conversion leaves, each matmul – softmax – matmul joined into one attention.

    Scaling, bias and mask between the two products go into it, and so does a scaling of the
    queries before it, as `scaled_dot_product_attention` takes all of them.
    """
    at = 0
    while at < len(ops):
        first = at + _scales_queries(ops, at)
        places = _attention(ops, first)
        if places is not None:
            softmax, last = places
            yield _joined(ops[first], ops[softmax], ops[last])
            at = last + 1
            continue
        made = operator(ops[at])
        if made is not None:
            yield made
        at += 1


def _joined(first: Op, softmax: Op, last: Op) -> Operator:
    maps = softmax.write_values
    moved = first.read_values + last.read_values - maps + last.write_values
    heads = math.prod(softmax.shape[:-2])
    return Operator("attention", first.macs + last.macs, 0, moved, maps, heads)


def _scales_queries(ops: list[Op], at: int) -> bool:
    """Whether ``ops[at]`` scales one of two equal operands of the product after it."""
    if at + 1 == len(ops) or ops[at].name not in ("mul", "div"):
        return False
    scale, product = ops[at], ops[at + 1]
    same = scale.read_values == scale.write_values
    return product.kind == "matmul" and same and 2 * scale.write_values == product.read_values


def _attention(ops: list[Op], at: int) -> tuple[int, int] | None:
    """Return the places of softmax and second product if an attention begins at ``at``."""
    if ops[at].kind != "matmul":
        return None
    maps = ops[at].write_values
    softmax = _after_elementwise(ops, at + 1, maps)
    if softmax is None or ops[softmax].kind != "softmax" or ops[softmax].write_values != maps:
        return None
    last = _after_elementwise(ops, softmax + 1, maps)
    if last is None or ops[last].kind != "matmul" or ops[last].read_values <= maps:
        return None
    return softmax, last


def _after_elementwise(ops: list[Op], at: int, values: int) -> int | None:
    """Return the first place from ``at`` on that does not map ``values`` one to one."""
    while at < len(ops):
        if ops[at].kind not in ("elementwise", "copy") or ops[at].write_values != values:
            return at
        at += 1
    return None


def unknown_names(ops: Iterable[Op]) -> tuple[str, ...]:
    """Return the names of the operators that the tracer has no kind for, sorted."""
    return tuple(sorted({op.name for op in ops if op.kind == "other"}))
