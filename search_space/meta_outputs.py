"""Outputs of common operators on `meta`, computed without torch's shape inference.

torch works out most shapes on `meta` in Python, at up to two milliseconds an operator, and imports
its compiler to do so, which takes longer than pricing SDXL. Tracing a block is hundreds of those.
The rules here give the same shapes, strides and dtypes for the operators that our blocks are made
of; :func:`quick_output` returns None for anything else, and torch is asked as before.

>>> import torch
>>> x = torch.zeros(1, 8, 4, 4, device="meta")
>>> [tuple(t.shape) for t in quick_output("native_group_norm", (x, None, None, 1, 8, 16, 2, 1e-5))]
[(1, 8, 4, 4), (1, 2), (1, 2)]
>>> quick_output("fft_r2c", (x,)) is None
True
"""

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, cast

import torch
from torch import Tensor

# Arithmetic on floats that keeps their dtype, element by element; no in-place variants.
_ARITHMETIC_NAMES = """
    abs add clamp cos div elu erf exp gelu hardsigmoid hardswish hardtanh leaky_relu log mish mul
    neg pow reciprocal relu rsqrt rsub sigmoid silu sin softplus sqrt sub tanh
"""


def quick_output(name: str, args: Sequence[Any], kwargs: dict[str, Any] | None = None) -> Any:
    """Return what ATen operator ``name`` returns for meta ``args``, or None when no rule holds."""
    rule = _RULES.get(name)
    return rule(args, kwargs or {}) if rule else None


def _group_norm(args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Tensor, ...] | None:
    x, groups = args[0], args[6]
    if not x.is_contiguous():
        return None
    return torch.empty_like(x), x.new_empty((x.shape[0], groups)), x.new_empty((x.shape[0], groups))


def _layer_norm(args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Tensor, ...] | None:
    x, normalized = args[0], args[1]
    if not x.is_contiguous():
        return None
    kept = x.ndim - len(normalized)
    statistics = (*x.shape[:kept], *(1 for _ in normalized))
    return torch.empty_like(x), x.new_empty(statistics), x.new_empty(statistics)


def _addmm(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    bias, a, b = cast(Sequence[Tensor], args)
    fits = a.shape[1] == b.shape[0] and bias.shape in ((b.shape[1],), (a.shape[0], b.shape[1]))
    return a.new_empty((a.shape[0], b.shape[1])) if fits else None


def _cat(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    tensors: Sequence[Tensor] = args[0]
    first, dim = tensors[0], args[1] if len(args) > 1 else kwargs.get("dim", 0)
    dim %= first.ndim
    for t in tensors:
        fits = t.shape[:dim] == first.shape[:dim] and t.shape[dim + 1 :] == first.shape[dim + 1 :]
        if t.dtype != first.dtype or not t.is_contiguous() or not fits:
            return None
    return first.new_empty(
        (*first.shape[:dim], sum(t.shape[dim] for t in tensors), *first.shape[dim + 1 :])
    )


def _arange(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    if kwargs.get("dtype") is None or not all(isinstance(a, (int, float)) for a in args):
        return None
    start, end, step = {1: (0, *args, 1), 2: (*args, 1), 3: args}[len(args)]
    return torch.empty(math.ceil((end - start) / step), dtype=kwargs["dtype"], device="meta")


def _arithmetic(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    tensors = [a for a in args if isinstance(a, Tensor)]
    others = (a for a in (*args, *kwargs.values()) if not isinstance(a, Tensor))
    dtype = tensors[0].dtype
    plain = all(a is None or isinstance(a, (int, float, str)) for a in others)
    if not plain or not dtype.is_floating_point or any(t.dtype != dtype for t in tensors):
        return None
    shape = _broadcast(tensors)
    if shape is None:
        return None
    if any(t.ndim == 0 and t.device.type != "meta" for t in tensors):
        return None
    strides = _strides(shape, [_expanded_strides(t, shape) for t in tensors])
    return torch.empty_strided(shape, strides, dtype=dtype, device="meta")


def _broadcast(tensors: list[Tensor]) -> list[int] | None:
    """The shape of an elementwise result, or None where sizes do not fit."""
    shape = []
    for sizes in zip_longest(*(reversed(t.shape) for t in tensors), fillvalue=1):
        large = {size for size in sizes if size != 1}
        if len(large) > 1:
            return None
        shape.append(large.pop() if large else 1)
    return shape[::-1]


def _expanded_strides(t: Tensor, shape: Sequence[int]) -> list[int]:
    """Strides of ``t`` broadcast to ``shape``: 0 where it is repeated."""
    missing = len(shape) - t.ndim
    own = [
        0 if size == 1 and shape[missing + i] != 1 else stride
        for i, (size, stride) in enumerate(zip(t.shape, t.stride(), strict=True))
    ]
    return [0] * missing + own


def _strides(shape: Sequence[int], operands: list[list[int]]) -> list[int]:
    """Strides of an elementwise result: dense, dimensions ordered as in the operands.

    The order is the one of torch's TensorIterator (aten/src/ATen/TensorIterator.cpp,
    reorder_dimensions): by stride, where the first operand that tells two dimensions apart decides.
    """

    def compare(a: int, b: int) -> int:
        for strides in operands:
            if strides[a] == 0 or strides[b] == 0:
                continue
            if strides[a] != strides[b]:
                return 1 if strides[a] > strides[b] else -1
            if shape[a] > shape[b]:
                return 1
        return 0

    order = list(reversed(range(len(shape))))  # fastest dimension first
    for i in range(1, len(order)):
        at = i
        for before in range(i - 1, -1, -1):
            found = compare(order[before], order[at])
            if found > 0:
                order[before], order[at] = order[at], order[before]
                at = before
            elif found < 0:
                break
    strides, step = [0] * len(shape), 1
    for dim in order:
        strides[dim] = step
        step *= shape[dim]
    return strides


_RULES: dict[str, Callable[[Sequence[Any], dict[str, Any]], Any]] = {
    **dict.fromkeys(_ARITHMETIC_NAMES.split(), _arithmetic),
    "native_group_norm": _group_norm,
    "native_layer_norm": _layer_norm,
    "addmm": _addmm,
    "cat": _cat,
    "arange": _arange,
}
