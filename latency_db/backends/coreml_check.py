"""Check that a converted program is its block: operators, weights and MACs, without a Mac.

A conversion can go wrong quietly: an operator that the Neural Engine runs badly, a key/value head
copied for every query head, a weight lost or folded. So the MIL program is read back: every
operator must be on the list that is known to convert right (:data:`OPERATORS`, each one run against
torch by the tests), nothing may be tiled, every parameter of the module must be found among the
constants, and the MACs must be those of the traced block.

Programs are read through the objects that coremltools hands over; nothing is imported from it.

>>> sorted(OPERATORS & {"conv", "tile"})
['conv']
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from latency_db.backends.backend import CannotRun

OPERATORS = frozenset(
    [
        *("const", "identity", "cast", "conv", "linear", "matmul", "scaled_dot_product_attention"),
        *("add", "sub", "mul", "real_div", "square", "sqrt", "rsqrt", "abs", "pow", "maximum"),
        *("silu", "sigmoid", "sigmoid_hard", "gelu", "relu", "softplus", "tanh", "clip", "exp"),
        "thresholded_relu",  # of hardswish
        *("softmax", "reduce_mean", "reduce_max", "reduce_sum", "layer_norm", "batch_norm"),
        *("reshape", "transpose", "expand_dims", "squeeze", "concat", "stack", "split"),
        *("slice_by_index", "slice_by_size", "upsample_nearest_neighbor", "avg_pool"),
        *("cos", "sin", "gather", "greater_equal", "select"),
    ]
)
HALF_TOLERANCE = 2e-3  # relative, of a parameter's sums after rounding to half precision


@dataclass(frozen=True)
class ProgramFacts:
    """What a MIL program consists of."""

    operators: dict[str, int]
    macs: int
    constants: int  # values in all constants that are not scalars


def facts_of(program: Any) -> ProgramFacts:
    """Return what a MIL program's main function consists of."""
    operations = _operations(program)
    counts = Counter(op.op_type for op in operations)
    counts.pop("const", None)
    constants = [v for op in operations for v in _constants(op)]
    return ProgramFacts(
        dict(sorted(counts.items())),
        sum(_macs(op) for op in operations),
        sum(value.size for value in constants),
    )


def check_program(program: Any, module: nn.Module, macs: int, where: str) -> ProgramFacts:
    """Return the facts; raises :class:`CannotRun` naming ``where`` and the first thing wrong."""
    found = facts_of(program)
    unknown = sorted(set(found.operators) - OPERATORS)
    if unknown:
        raise CannotRun(
            f"{where} converts to {', '.join(unknown)}, which is not known to be right on a phone; "
            "check it and add it to OPERATORS with a test"
        )
    if found.macs != macs:
        raise CannotRun(
            f"{where} has {found.macs:,} MACs after conversion and {macs:,} before; the program is "
            "not the block"
        )
    lost = missing_parameters(program, module)
    if lost:
        raise CannotRun(f"{where} lost its parameter {lost[0]} in the conversion")
    return found


def missing_parameters(program: Any, module: nn.Module) -> list[str]:
    """Return parameters whose values are in no constant, whatever its order or precision.

    Parameters are compared by size, mean and mean square: they are random, so no two are alike.
    One of all zeros or all ones changes nothing and may be folded away; it is not looked for.
    """
    marks: dict[int, list[tuple[float, float]]] = {}
    for op in _operations(program):
        for value in _constants(op):
            marks.setdefault(value.size, []).append(_mark(value))
    missing = []
    for name, parameter in module.named_parameters():
        mean, square = _mark(parameter.detach().numpy())
        if mean == square and mean in (0.0, 1.0):
            continue
        close = any(
            math.isclose(mean, m, rel_tol=HALF_TOLERANCE, abs_tol=HALF_TOLERANCE * square**0.5)
            and math.isclose(square, s, rel_tol=HALF_TOLERANCE)
            for m, s in marks.get(parameter.numel(), [])
        )
        if not close:
            missing.append(name)
    return missing


def _mark(value: Any) -> tuple[float, float]:
    wide = np.asarray(value, dtype=np.float64)
    return float(wide.mean()), float((wide * wide).mean())


def _operations(program: Any) -> list[Any]:
    return list(program.functions["main"].operations)


def _constants(op: Any) -> Iterable[Any]:
    """Floating-point values of a constant that is not a scalar."""
    if op.op_type != "const":
        return
    value = op.outputs[0].val
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim > 0:
        yield value


def _macs(op: Any) -> int:
    """Multiply-accumulates of one operator, by the same conventions as `search_space.trace`."""
    out = op.outputs[0].shape
    match op.op_type:
        case "conv":
            _, per_group, *kernel = op.weight.shape
            return int(math.prod(out) * per_group * math.prod(kernel))
        case "linear":
            return int(math.prod(out) * op.weight.shape[-1])
        case "matmul":
            inner = op.x.shape[-2 if op.transpose_x.val else -1]
            return int(math.prod(out) * inner)
        case "scaled_dot_product_attention":
            keys, head_dim = op.key.shape[-2:]
            return int(math.prod(op.query.shape[:-1]) * keys * (head_dim + op.value.shape[-1]))
    return 0
