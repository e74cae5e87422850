"""Runs a MIL program in torch, so that a conversion can be checked without a Mac.

Covers the operators in `latency_db.backends.coreml_check.OPERATORS` and no other. Each operator is
computed in float32 and its result rounded to the type the program gives it, which is what hardware
with half-precision storage and wider accumulators does.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

HANDLERS: dict[str, Callable[..., Any]] = {}


def evaluate(program: Any, inputs: list[Tensor]) -> list[Tensor]:
    """Run the main function on ``inputs``, in the order of its arguments."""
    main = program.functions["main"]
    values: dict[Any, Any] = {}
    for variable, tensor in zip(main.inputs.values(), inputs, strict=True):
        values[variable] = tensor.float() if tensor.is_floating_point() else tensor
    for op in main.operations:
        if op.op_type == "const":
            values[op.outputs[0]] = _constant(op.outputs[0].val)
            continue
        if op.op_type == "constexpr_lut_to_dense":  # a constant as indices into a palette
            values[op.outputs[0]] = _constant(op.materialized_val_inference())
            continue
        if op.op_type not in HANDLERS:
            raise NotImplementedError(f"MIL operator {op.op_type}")
        given = {name: _value(var, values) for name, var in op.inputs.items() if var is not None}
        result = HANDLERS[op.op_type](**given)
        results = result if isinstance(result, (list, tuple)) else [result]
        for variable, tensor in zip(op.outputs, results, strict=True):
            assert tuple(tensor.shape) == tuple(variable.shape), (op.op_type, tensor.shape)
            values[variable] = _rounded(tensor, variable)
    return [values[variable] for variable in main.outputs]


def _value(var: Any, values: dict[Any, Any]) -> Any:
    if isinstance(var, (list, tuple)):
        return [_value(item, values) for item in var]
    return values[var] if var in values else _constant(var.val)


def _constant(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        tensor = torch.from_numpy(np.array(value))
        return tensor.float() if tensor.is_floating_point() else tensor
    if isinstance(value, np.generic):
        return value.item()
    return value


def _rounded(tensor: Tensor, variable: Any) -> Tensor:
    if "fp16" in str(variable.dtype):
        return tensor.half().float()
    return tensor


def handler(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        HANDLERS.update(dict.fromkeys(names, function))
        return function

    return register


def _ints(value: Any) -> list[int]:
    return [int(v) for v in np.asarray(value).reshape(-1)]


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(value)


@handler("conv")
def conv(x, weight, bias=None, strides=None, pad_type="valid", pad=None, dilations=None, groups=1):
    assert all(d == 1 for d in _ints(dilations if dilations is not None else [1, 1]))
    if pad_type == "same":
        top = (weight.shape[2] - 1) // 2
        pads = [top, top, top, top]
        assert _ints(strides) == [1, 1]
    else:
        pads = _ints(pad) if pad_type == "custom" else [0, 0, 0, 0]
    above, below, left, right = pads
    x = F.pad(x, (left, right, above, below))
    return F.conv2d(x, weight, bias, _ints(strides), 0, 1, int(groups))


@handler("linear")
def linear(x, weight, bias=None):
    return F.linear(x, weight, bias)


@handler("matmul")
def matmul(x, y, transpose_x=False, transpose_y=False):
    return (x.transpose(-1, -2) if transpose_x else x) @ (y.transpose(-1, -2) if transpose_y else y)


@handler("scaled_dot_product_attention")
def attention(query, key, value, attn_mask=None):
    weights = torch.softmax(query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5, dim=-1)
    return weights @ value


BINARY = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "real_div": torch.true_divide,
    "pow": torch.pow,
    "maximum": torch.maximum,
    "greater_equal": torch.ge,
}
UNARY = {
    "square": torch.square,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "exp": torch.exp,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "relu": F.relu,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "cos": torch.cos,
    "sin": torch.sin,
    "identity": lambda x: x,
}
for _name, _function in BINARY.items():
    HANDLERS[_name] = lambda x, y, f=_function: f(_tensor(x), _tensor(y))
for _name, _function in UNARY.items():
    HANDLERS[_name] = lambda x, f=_function: f(x)


@handler("rsqrt")
def rsqrt(x, epsilon=0.0):
    return torch.rsqrt(x + epsilon)


@handler("gelu")
def gelu(x, mode="EXACT"):
    return F.gelu(x, approximate="none" if mode == "EXACT" else "tanh")


@handler("sigmoid_hard")
def sigmoid_hard(x, alpha, beta):
    return torch.clamp(alpha * x + beta, 0, 1)


@handler("clip")
def clip(x, alpha, beta):
    return torch.clamp(x, alpha, beta)


@handler("thresholded_relu")
def thresholded_relu(x, alpha=1.0):
    return torch.where(x >= alpha, x, torch.zeros_like(x))


@handler("cast")
def cast(x, dtype):
    return x.to(torch.int32) if dtype.startswith("int") else x.float()


@handler("softmax")
def softmax(x, axis=-1):
    return torch.softmax(x, dim=int(axis))


@handler("reduce_mean")
def reduce_mean(x, axes, keep_dims=False):
    return x.mean(_ints(axes), keepdim=bool(keep_dims))


@handler("reduce_sum")
def reduce_sum(x, axes, keep_dims=False):
    return x.sum(_ints(axes), keepdim=bool(keep_dims))


@handler("reduce_max")
def reduce_max(x, axes, keep_dims=False):
    return x.amax(_ints(axes), keepdim=bool(keep_dims))


@handler("layer_norm")
def layer_norm(x, axes, gamma=None, beta=None, epsilon=1e-5):
    axes = _ints(axes)
    mean = x.mean(axes, keepdim=True)
    variance = (x - mean).square().mean(axes, keepdim=True)
    out = (x - mean) * torch.rsqrt(variance + epsilon)
    shape = [x.shape[i] if i in [a % x.ndim for a in axes] else 1 for i in range(x.ndim)]
    out = out if gamma is None else out * gamma.reshape(shape)
    return out if beta is None else out + beta.reshape(shape)


@handler("batch_norm")
def batch_norm(x, mean, variance, gamma=None, beta=None, epsilon=1e-5):
    return F.batch_norm(x, mean, variance, gamma, beta, False, 0.0, epsilon)


@handler("reshape")
def reshape(x, shape):
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(_ints(shape))])


@handler("transpose")
def transpose(x, perm):
    return x.permute(_ints(perm))


@handler("expand_dims")
def expand_dims(x, axes):
    x = _tensor(x)
    for axis in sorted(a if a >= 0 else a + x.ndim + len(_ints(axes)) for a in _ints(axes)):
        x = x.unsqueeze(axis)
    return x


@handler("squeeze")
def squeeze(x, axes=None):
    for axis in sorted((a % x.ndim for a in _ints(axes)), reverse=True):
        x = x.squeeze(axis)
    return x


@handler("concat")
def concat(values, axis, interleave=False):
    if interleave:  # first slices of all values, then second ones
        axis %= values[0].ndim
        return torch.stack(values, axis + 1).flatten(axis, axis + 1)
    return torch.cat(values, dim=int(axis))


@handler("stack")
def stack(values, axis):
    return torch.stack(values, dim=int(axis))


@handler("split")
def split(x, num_splits=None, split_sizes=None, axis=0):
    if split_sizes is not None:
        return torch.split(x, _ints(split_sizes), dim=int(axis))
    return torch.chunk(x, int(num_splits), dim=int(axis))


@handler("slice_by_index")
def slice_by_index(x, begin, end, stride=None, begin_mask=None, end_mask=None, squeeze_mask=None):
    rank = x.ndim
    steps = _ints(stride) if stride is not None else [1] * rank
    masks = [
        [bool(b) for b in np.asarray(m).reshape(-1)] if m is not None else [False] * rank
        for m in (begin_mask, end_mask, squeeze_mask)
    ]
    index = []
    for i, (low, high) in enumerate(zip(_ints(begin), _ints(end), strict=True)):
        if masks[2][i]:
            index.append(low)
        else:
            first = None if masks[0][i] else low
            index.append(slice(first, None if masks[1][i] else high, steps[i]))
    return x[tuple(index)]


@handler("slice_by_size")
def slice_by_size(x, begin, size):
    sizes = [n - b if s == -1 else s for n, b, s in zip(x.shape, _ints(begin), _ints(size))]  # noqa: B905
    return x[tuple(slice(b, b + s) for b, s in zip(_ints(begin), sizes, strict=True))]


@handler("upsample_nearest_neighbor")
def upsample(x, scale_factor_height=1, scale_factor_width=1):
    factor = (int(scale_factor_height), int(scale_factor_width))
    return x.repeat_interleave(factor[0], 2).repeat_interleave(factor[1], 3)


@handler("avg_pool")
def avg_pool(
    x,
    kernel_sizes,
    strides=None,
    pad_type="valid",
    pad=None,
    exclude_padding_from_average=False,
    ceil_mode=False,
):
    assert pad_type == "valid" or not any(_ints(pad))
    return F.avg_pool2d(x, _ints(kernel_sizes), _ints(strides))


@handler("gather")
def gather(x, indices, axis=0, batch_dims=0, validate_indices=False):
    indices = _tensor(indices)
    shape = list(x.shape[: int(axis)]) + list(indices.shape) + list(x.shape[int(axis) + 1 :])
    return x.index_select(int(axis), indices.reshape(-1).long()).reshape(shape)


@handler("select")
def select(cond, a, b):
    return torch.where(cond.bool(), _tensor(a), _tensor(b))
