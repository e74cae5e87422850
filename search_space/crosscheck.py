"""Cross-check of our MACs against other counters, with a reason for every difference.

torch's `FlopCounterMode` and thop run the whole network on `meta`. fvcore traces with `torch.jit`,
which does not work on `meta`, and a full-size forward pass on a CPU takes minutes. It therefore
runs the real network, with all weights views of one buffer, at three small latents. Each term is
constant, linear or quadratic in the number of pixels, so three counts determine the count at any
latent.

Needs `pip install walkbench[crosscheck]`.

>>> from search_space.presets import named_spec
>>> rows = crosscheck(named_spec("snapgen-t2i").replace(latent_size=32))  # doctest: +SKIP
>>> [(row.tool, row.difference) for row in rows][:2]  # doctest: +SKIP
[('walkbench', 0), ('torch FlopCounterMode', 0)]
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from search_space.cost import block_cost, cost
from search_space.errors import WalkbenchError
from search_space.modules.network import example_inputs
from search_space.plan import plan
from search_space.spec import UNetSpec
from search_space.unet import UNet

ATTENTION = "scaled_dot_product_attention"
FORWARD_ORDER = ("latents", "timesteps", "context", "pooled", "size_ids", "classes")


@dataclass(frozen=True)
class CrosscheckRow:
    """What one tool counts; ``difference`` is its MACs minus ours, ``reason`` accounts for it."""

    tool: str
    version: str
    params: int
    macs: int
    difference: int
    reason: str


def crosscheck(spec: UNetSpec) -> list[CrosscheckRow]:
    """Return our count of ``spec`` and those of torch, fvcore and thop, at its latent and tokens.

    fvcore appears without and with a handle for attention. Takes seconds, for SDXL about ten.
    Raises :class:`WalkbenchError` when fvcore or thop is not installed.
    """
    flop_count, thop_profile = _optional("fvcore.nn"), _optional("thop.profile")
    ours = cost(spec)
    with torch.device("meta"):
        unet, inputs = UNet(spec).eval(), example_inputs(spec)
    exact = CrosscheckRow(
        "walkbench", version("walkbench"), ours.params, ours.macs, 0, "each distinct block, traced"
    )
    rows = [exact, _torch_row(ours.macs, unet, inputs)]
    rows += _fvcore_rows(ours.macs, spec, flop_count)
    return [*rows, _thop_row(ours.macs, spec, unet, inputs, thop_profile)]


def _optional(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise WalkbenchError(
            f"crosscheck needs {package}, which cannot be imported ({error}); "
            "pip install walkbench[crosscheck]"
        ) from None


def _torch_row(ours: int, unet: UNet, inputs: dict[str, Tensor]) -> CrosscheckRow:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        unet(**inputs)
    macs = int(counter.get_total_flops()) // 2  # it counts a multiply-add as two
    params = sum(p.numel() for p in unet.parameters())
    reason = _reason(macs - ours, {}, "the same formulas over the whole network")
    name = "torch FlopCounterMode"
    return CrosscheckRow(name, version("torch"), params, macs, macs - ours, reason)


def _fvcore_rows(ours: int, spec: UNetSpec, fvcore: Any) -> list[CrosscheckRow]:
    unet = light_unet(spec)
    counts = _at_latent(spec, unet, fvcore)
    params = int(fvcore.parameter_count(unet)[""])
    attention = counts.pop(ATTENTION, 0)
    extra = {f"counts {name}": n for name, n in counts.items() if name not in _MATRIX_PRODUCTS}
    bare, release = sum(counts.values()), version("fvcore")
    without = {"has no handle for attention and skips it": -attention} if attention else {}
    return [
        CrosscheckRow(name, release, params, macs, macs - ours, _reason(macs - ours, parts))
        for name, macs, parts in (
            ("fvcore", bare, {**without, **extra}),
            ("fvcore with an attention handle", bare + attention, extra),
        )
    ]


# What fvcore calls the operators that we count too; whatever else it counts is a difference.
_MATRIX_PRODUCTS = ("conv", "linear", "addmm", "mm", "bmm", "matmul")


def light_unet(spec: UNetSpec) -> UNet:
    """Return the network on the CPU, every weight a view of one buffer as large as the largest."""
    with torch.device("meta"):
        unet = UNet(spec).eval()
    buffer = torch.zeros(max(p.numel() for p in unet.parameters()))
    for module in unet.modules():
        for name, p in list(module.named_parameters(recurse=False)):
            weight = buffer[: p.numel()].view(p.shape)
            setattr(module, name, nn.Parameter(weight, requires_grad=False))
    return unet


def _at_latent(spec: UNetSpec, unet: UNet, fvcore: Any) -> dict[str, int]:
    """Fvcore's count per operator at the latent of ``spec``, from three small latents."""
    step = 2 ** (len(spec.stages) - 1)
    sizes = [step, 2 * step, 3 * step]
    if spec.latent_size in sizes:
        return count_operators(spec, unet, fvcore)
    counts = {s**2: count_operators(spec.replace(latent_size=s), unet, fvcore) for s in sizes}
    names = dict.fromkeys(name for count in counts.values() for name in count)
    return {
        name: _extend({pixels: c.get(name, 0) for pixels, c in counts.items()}, spec.latent_size**2)
        for name in names
    }


def _extend(points: Mapping[int, int], x: int) -> int:
    """The polynomial through ``points`` at ``x`` (Lagrange), in whole numbers."""
    total = Fraction(0)
    for a, value in points.items():
        total += value * math.prod((Fraction(x - b, a - b) for b in points if b != a), start=1)
    assert total.denominator == 1, f"{points} is not quadratic in pixels"
    return int(total)


def count_operators(spec: UNetSpec, unet: UNet, fvcore: Any) -> dict[str, int]:
    """Run ``unet`` and return what fvcore (the module ``fvcore.nn``) counts per operator."""
    inputs = example_inputs(spec)
    given = [inputs.get(name) for name in FORWARD_ORDER]
    while given[-1] is None:  # torch.jit takes None between tensors, not after them
        given.pop()
    analysis = fvcore.FlopCountAnalysis(unet, tuple(given))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    analysis.tracer_warnings("none").set_op_handle(f"aten::{ATTENTION}", _attention_handle)
    return {name: int(n) for name, n in analysis.by_operator().items()}


def _attention_handle(inputs: list[Any], outputs: list[Any]) -> int:
    """QKᵀ and its product with V, for fvcore: (…, S, hd) against (…, T, hd)."""
    q, k, v = (value.type().sizes() for value in inputs[:3])
    return int(math.prod(q) * k[-2] + math.prod(q[:-1]) * k[-2] * v[-1])


def _thop_row(
    ours: int, spec: UNetSpec, unet: UNet, inputs: dict[str, Tensor], thop: Any
) -> CrosscheckRow:
    given = tuple(inputs.get(name) for name in FORWARD_ORDER)
    seen = thop.register_hooks
    unseen: Counter[str] = Counter()
    for module in unet.modules():
        if type(module) not in seen:
            owned = sum(p.numel() for p in module.parameters(recurse=False))
            unseen[type(module).__name__] += owned
    macs, params = (int(value) for value in thop.profile(unet, given, verbose=False))
    attention, layer_norm = _sums(spec)
    parts = {
        "cannot see attention, a function and no module": -attention,
        "counts LayerNorm as 4 a value": 4 * layer_norm,
    }
    names = ", ".join(f"{name} {n:,}" for name, n in sorted(unseen.items()) if n)
    remark = f"params without {names}" if names else ""
    reason = _reason(macs - ours, {k: v for k, v in parts.items() if v}, remark)
    return CrosscheckRow("thop", version("thop"), params, macs, macs - ours, reason)


def _sums(spec: UNetSpec) -> tuple[int, int]:
    """MACs inside attention, and values that pass a LayerNorm."""
    attention = layer_norm = 0
    for block, count in plan(spec).blocks():
        for op in block_cost(block).ops:
            attention += count * op.macs * (op.kind == "attention")
            layer_norm += count * op.write_values * (op.name == "native_layer_norm")
    return attention, layer_norm


def _reason(difference: int, parts: Mapping[str, int], remark: str = "") -> str:
    """Describe the parts of ``difference``, and how much of it they leave unexplained."""
    words = [f"{text} ({_signed(n)})" for text, n in parts.items()]
    rest = difference - sum(parts.values())
    if rest:
        words.append(f"not accounted for ({_signed(rest)})")
    return "; ".join([*words, remark] if remark else words) or "none"


def _signed(n: int) -> str:
    return f"{n / 1e9:+,.3f} G".replace("-", "−")
