"""Trace any module on the `meta` device: every operator with its MACs and the values it moves.

Nothing is computed and nothing allocated, so a 2.6-billion-parameter network costs as little as a
tiny one. MACs come from torch's own formulas (the registry behind `FlopCounterMode`), one fused
multiply-add counted as one. `scaled_dot_product_attention`, `rms_norm` and `matmul` count as
one operator each, as a phone's compiler fuses them: their intermediate values are not traffic.

>>> import torch
>>> from torch import nn
>>> with torch.device("meta"):
...     net = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.SiLU())
...     traced = trace(net, torch.zeros(1, 4, 16, 16))
>>> [(op.kind, op.macs, op.weight_values, op.read_values, op.write_values) for op in traced.ops]
[('conv', 73728, 296, 1024, 2048), ('elementwise', 0, 0, 2048, 2048)]
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from search_space.errors import WalkbenchError
from search_space.meta_outputs import quick_output

OpKind = Literal[
    "conv",  # dense convolution, kernel larger than 1
    "pointwise",  # 1×1 convolution
    "depthwise",  # one group per channel
    "grouped",  # other grouped convolutions
    "linear",  # matrix product with a weight
    "matmul",  # matrix product of two activations
    "attention",  # softmax(QKᵀ)V as one operator
    "norm",
    "softmax",
    "elementwise",
    "reduce",
    "pool",
    "resize",
    "copy",  # data movement: concatenation, materialised transposes, gathers
    "other",  # known to none of the above; named, never silently free
]

_BY_NAME: dict[str, OpKind] = {
    **dict.fromkeys(("native_group_norm", "native_layer_norm", "native_batch_norm"), "norm"),
    **dict.fromkeys(("cudnn_batch_norm", "_native_batch_norm_legit_no_training"), "norm"),
    **dict.fromkeys(("_softmax", "_safe_softmax", "_log_softmax"), "softmax"),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "argmax", "var_mean", "var"), "reduce"),
    **dict.fromkeys(("linalg_vector_norm", "cumsum", "any", "all", "prod"), "reduce"),
    **dict.fromkeys(("avg_pool2d", "max_pool2d_with_indices", "_adaptive_avg_pool2d"), "pool"),
    **dict.fromkeys(("upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d"), "resize"),
    **dict.fromkeys(("cat", "clone", "copy_", "stack", "index", "gather", "_to_copy"), "copy"),
    **dict.fromkeys(("constant_pad_nd", "roll", "repeat", "index_select", "embedding"), "copy"),
    **dict.fromkeys(("im2col", "col2im", "pixel_shuffle", "pixel_unshuffle", "flip"), "copy"),
    **dict.fromkeys(("channel_shuffle", "reflection_pad2d", "slice_scatter", "copy"), "copy"),
}
_ELEMENTWISE_NAMES = """
    abs add add_ addcmul clamp clamp_ clamp_min cos div div_ elu erf exp exp_ gelu hardsigmoid
    hardsigmoid_ hardswish hardswish_ hardtanh hardtanh_ leaky_relu log maximum minimum mish mul
    mul_ neg pow reciprocal relu relu_ rsqrt rsub sigmoid sigmoid_ silu silu_ sin softplus sqrt
    sub sub_ tanh where masked_fill eq ne lt le gt ge logical_and logical_not bitwise_not
    bitwise_and floor round sign
"""
_ELEMENTWISE = frozenset(_ELEMENTWISE_NAMES.split())
# Constructors and aliases: they touch no activation memory of the network's own.
_FREE_NAMES = """
    arange empty empty_like empty_strided new_empty new_zeros new_ones new_full zeros zeros_like
    ones ones_like full full_like scalar_tensor lift_fresh lift detach alias view _unsafe_view
    reshape _reshape_alias as_strided as_strided_ expand permute transpose t squeeze unsqueeze
    select slice split split_with_sizes chunk unbind unfold diagonal linspace eye tril_indices
"""
_FREE = frozenset(_FREE_NAMES.split())


@dataclass(frozen=True)
class Op:
    """One operator: values are counted in elements, not bytes; precision is the caller's."""

    kind: OpKind
    name: str
    macs: int
    weight_values: int
    read_values: int
    write_values: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Trace:
    """The operators in execution order, and the most activation values alive at once."""

    ops: tuple[Op, ...]
    peak_values: int
    output_values: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all operators."""
        return sum(op.macs for op in self.ops)

    @property
    def moved_values(self) -> int:
        """Activation values read and written by all operators, each counted at every use."""
        return sum(op.read_values + op.write_values for op in self.ops)


def trace(module: nn.Module, *inputs: Any, **named: Any) -> Trace:
    """Run ``module`` on meta tensors and return its operators.

    Module and inputs must be on the meta device. ``peak_values`` follows eager execution: inputs
    stay alive, every other tensor lives until its last reference goes. Raises
    :class:`WalkbenchError` when the module is elsewhere or needs real values to decide its control
    flow.
    """
    tensors = [t for t in (*module.parameters(), *tree_leaves((inputs, named))) if _is_tensor(t)]
    elsewhere = next((t for t in tensors if t.device.type != "meta"), None)
    if elsewhere is not None:
        raise WalkbenchError(
            f"trace needs meta tensors, got one on {elsewhere.device}; "
            "build the module and its inputs under torch.device('meta')"
        )
    modes = [(m, m.training) for m in module.modules()]
    recorder = _Recorder(module, tree_leaves((inputs, named)))
    try:
        module.eval()
        with torch.no_grad(), recorder, _Fused(recorder):
            out = module(*inputs, **named)
    except (NotImplementedError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WalkbenchError(
            f"{type(module).__name__} cannot be traced on meta: {first}; shapes must not depend "
            "on values"
        ) from error
    finally:
        for part, training in modes:  # not train(): parts may differ, a frozen norm for one
            part.training = training
    outputs = [t for t in tree_leaves(out) if _is_tensor(t)]
    return Trace(tuple(recorder.ops), recorder.peak, sum(t.numel() for t in outputs))


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _tensors(values: Iterable[Any]) -> list[Tensor]:
    """Tensors among an ATen operator's values, which nest in lists and tuples only."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += _tensors(value)
    return found


class _WeakStorage(Protocol):
    def expired(self) -> bool: ...


_weak_storage = cast(Callable[[Any], _WeakStorage], StorageWeakRef)  # torch leaves it untyped


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's __init_subclass__
    """Sees every operator below autograd, and which storages are alive after it."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: torch would import its compiler, for a second, to keep it away from here."""
        return False

    def __init__(self, module: nn.Module, inputs: list[Any]):
        super().__init__()  # type: ignore[no-untyped-call]
        self.ops: list[Op] = []
        self.peak = 0
        constants = [*module.parameters(), *module.buffers()]
        self._weights = {_storage_id(t) for t in constants}
        self._live: dict[int, tuple[_WeakStorage, int]] = {}
        self._note_alive([t for t in inputs if _is_tensor(t)])

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        out = quick_output(name, args, kwargs)
        if out is None:
            out = func(*args, **kwargs)
        outputs = _tensors((out,))
        tensors = _tensors((*args, *kwargs.values()))
        if name not in _FREE:
            formula = flop_registry.get(func.overloadpacket)
            flops = formula(*args, **kwargs, out_val=out) if formula else 0
            kind = self._kind(name, args, tensors)
            self.record(kind, name, flops // 2, tensors, outputs)
        self._note_alive(outputs)
        return out

    def record(
        self, kind: OpKind, name: str, macs: int, inputs: list[Tensor], outputs: list[Tensor]
    ) -> None:
        """Add one operator; weights and activations among ``inputs`` are told apart by storage."""
        weights = sum(t.numel() for t in inputs if _storage_id(t) in self._weights)
        read = sum(t.numel() for t in inputs if _storage_id(t) not in self._weights)
        shape = tuple(outputs[0].shape) if outputs else ()
        written = sum(t.numel() for t in outputs if t.numel() > 0)
        if kind == "norm":  # batch statistics that torch also returns are not traffic
            written = outputs[0].numel()
        self.ops.append(Op(kind, name, macs, weights, read, written, shape))

    def _kind(self, name: str, args: Any, inputs: list[Tensor]) -> OpKind:
        if name in ("convolution", "_convolution"):
            weight, groups = args[1], args[8]
            if groups == 1:
                return "pointwise" if math.prod(weight.shape[2:]) == 1 else "conv"
            return "depthwise" if groups == args[0].shape[1] else "grouped"
        if name in ("addmm", "mm", "bmm", "baddbmm", "addmv", "mv", "linear"):
            return "linear" if any(_storage_id(t) in self._weights for t in inputs) else "matmul"
        if name in _ELEMENTWISE:
            return "elementwise"
        return _BY_NAME.get(name, "other")

    def is_weight(self, tensor: Tensor) -> bool:
        """Whether ``tensor`` is a parameter or a buffer of the module, or a view of one."""
        return _storage_id(tensor) in self._weights

    def _note_alive(self, tensors: list[Tensor]) -> None:
        for t in tensors:
            storage = t.untyped_storage()
            key = storage._cdata
            if key not in self._weights:
                values = storage.nbytes() // t.element_size()
                self._live[key] = (_weak_storage(storage), values)
        self._live = {k: v for k, v in self._live.items() if not v[0].expired()}
        self.peak = max(self.peak, sum(values for _, values in self._live.values()))


class _Fused(TorchFunctionMode):
    """Records composite functions as single operators before torch takes them apart."""

    def __init__(self, recorder: _Recorder):
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        handle = _FUSED.get(func)
        return handle(self._recorder, *args, **kwargs) if handle else func(*args, **kwargs)


def _attention(
    recorder: _Recorder, q: Tensor, k: Tensor, v: Tensor, *rest: Any, **_: Any
) -> Tensor:
    """QKᵀ and its product with V: (…, S, hd) against (…, T, hd)."""
    macs = q.numel() * k.shape[-2] + q.numel() // q.shape[-1] * k.shape[-2] * v.shape[-1]
    out = q.new_empty((*q.shape[:-1], v.shape[-1]))
    read = [q, k[:, :1] if k.stride(1) == 0 else k, v[:, :1] if v.stride(1) == 0 else v]
    recorder.record("attention", "scaled_dot_product_attention", macs, read, [out])
    return out


def _rms_norm(
    recorder: _Recorder, x: Tensor, shape: Any, weight: Any = None, eps: Any = None
) -> Tensor:
    out = torch.empty_like(x)
    recorder.record("norm", "rms_norm", 0, [t for t in (x, weight) if t is not None], [out])
    return out


def _matmul(recorder: _Recorder, a: Tensor, b: Tensor) -> Tensor:
    """One product: torch copies transposed operands of a batch, a phone's compiler does not."""
    batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])  # type: ignore[no-untyped-call]
    out = a.new_empty((*batch, *a.shape[-2:-1], *(b.shape[-1:] if b.ndim > 1 else ())))
    kind: OpKind = "linear" if recorder.is_weight(a) or recorder.is_weight(b) else "matmul"
    recorder.record(kind, "matmul", out.numel() * a.shape[-1], [a, b], [out])
    return out


_FUSED: dict[Any, Callable[..., Tensor]] = {
    torch.matmul: _matmul,
    Tensor.matmul: _matmul,
    Tensor.__matmul__: _matmul,
    F.scaled_dot_product_attention: _attention,
    F.rms_norm: _rms_norm,
    torch.rms_norm: _rms_norm,
}


def _storage_id(t: Tensor) -> int:
    return cast(int, t.untyped_storage()._cdata)
