"""The model behind an estimate: a roofline per operator, fourteen physical numbers per chip.

    ms = floor + ( operators^q + weights^q ) ^ (1/q)
    operators = Σ over operators  ( compute^p + traffic^p ) ^ (1/p)

Compute and traffic of an operator overlap, hence the smooth maximum; operators do not. Weights are
known in advance, so they stream in while earlier operators run: they overlap with the network as a
whole, and a network is bound by them only when they outlast everything else. Each parameter is a
cost per billion multiply-accumulates or per megabyte, never negative, and says what it means in
:data:`PARAMETERS`. The milliseconds are homogeneous of degree one in the parameters.

>>> import numpy as np
>>> from latency_db.operators import Operator
>>> work = loads({Operator("matrix", 10**9, 10**6, 10**6): 1}, on_chip_mb=4.0)
>>> ms, gradient = milliseconds(work, START)
>>> round(float(ms), 2), gradient.shape, bool(np.isclose(gradient.sum(), ms))
(0.9, (14,), True)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latency_db.operators import Operator

Array = NDArray[np.float64]

OVERLAP = 3.0  # p and q: 1 would add both terms, infinity would hide the smaller completely
WEIGHT_SHARE = 0.5  # of the on-chip memory that a convolution's weights may take


@dataclass(frozen=True)
class Parameter:
    """One number of a chip: its unit, where the fit starts, and what it stands for."""

    name: str
    unit: str
    start: float
    meaning: str
    from_memory: bool = False  # scales with the chip's memory bandwidth, not with its TOPS


# Starting points, and centres of the priors, are for A15. Floor, matrix and weight are the
# published floor (0.5 ms), sustained rate (2.0-2.5 TMAC/s) and weight streaming (21-28 GB/s); the
# others are guesses of the right order, and a factor of 1.6 each way is one sd of every prior.
PARAMETERS = (
    Parameter("floor", "ms", 0.5, "starting a network and reading its result"),
    Parameter("matrix", "ms/GMAC", 0.4, "convolutions, and products in an ANE-friendly layout"),
    Parameter("token_matrix", "ms/GMAC", 0.4, "products over (batch, tokens, channels)"),
    Parameter("depthwise", "ms/GMAC", 1.0, "depthwise convolutions"),
    Parameter(
        "reread",
        "ms/GMAC",
        0.3,
        "dense convolutions neither whose tensors nor whose weights fit on chip: one of the two is "
        "read again for every tile of the other",
        from_memory=True,
    ),
    Parameter("weight", "ms/MB", 0.04, "reading weights", from_memory=True),
    Parameter("activation", "ms/MB", 0.01, "reading and writing activations, in arithmetic"),
    Parameter("elementwise", "ms/MB", 0.01, "sums, products, pools of activations"),
    Parameter("norm", "ms/MB", 0.05, "norms that need statistics of their input"),
    Parameter("rearrange", "ms/MB", 0.04, "transposes that are carried out, gathers"),
    Parameter("spill", "ms/MB", 0.03, "activations that do not fit on chip", from_memory=True),
    Parameter("map", "ms/Mvalue", 0.05, "attention maps in an ANE-friendly layout"),
    Parameter("token_map", "ms/Mvalue", 0.1, "attention maps over (batch, tokens, channels)"),
    Parameter("silu", "ms/MB", 0.03, "SiLU before iOS 17"),
)
NAMES = tuple(parameter.name for parameter in PARAMETERS)
START: Array = np.array([parameter.start for parameter in PARAMETERS])
_AT = {name: i for i, name in enumerate(NAMES)}


@dataclass(frozen=True)
class Setting:
    """How a network was converted and run.

    ``ane_layout``: transformers rewritten to (B, C, 1, S) with heads split, as Apple's Stable
    Diffusion and our export do. ``old_silu``: an iOS before 17. ``weight_bits``: bits a stored
    weight takes, fewer than 16 when palettised.
    """

    ane_layout: bool = True
    old_silu: bool = False
    weight_bits: float = 16.0


@dataclass(frozen=True)
class Loads:
    """A network as matrices, a row per distinct operator, a column per parameter.

    ``compute`` and ``traffic`` are (n, 14); ``counts`` (n,); ``weights_mb`` of the whole network.
    """

    compute: Array
    traffic: Array
    counts: Array
    weights_mb: float


def loads(ops: Mapping[Operator, int], on_chip_mb: float, setting: Setting = Setting()) -> Loads:
    """Return the loads of ``ops`` (with their counts) on a chip with ``on_chip_mb`` of memory."""
    rows = [_row(op, on_chip_mb, setting) for op in ops]
    shape = (-1, len(NAMES))
    return Loads(
        np.array([row[0] for row in rows]).reshape(shape),
        np.array([row[1] for row in rows]).reshape(shape),
        np.array([float(count) for count in ops.values()]),
        sum(_weights_mb(op, setting.weight_bits) * count for op, count in ops.items()),
    )


def _weights_mb(op: Operator, bits: float) -> float:
    return op.weights * bits / 8 / 1e6


def _row(op: Operator, on_chip_mb: float, setting: Setting) -> tuple[Array, Array]:
    compute, traffic = np.zeros(len(NAMES)), np.zeros(len(NAMES))
    gmac, moved_mb, maps_m = op.macs / 1e9, op.moved * 2 / 1e6, op.maps / 1e6
    beyond_mb = max(0.0, moved_mb - on_chip_mb)
    match op.kind:
        case "conv" | "matrix" | "linear" | "depthwise":
            token = op.kind == "linear" and not setting.ane_layout
            name = "token_matrix" if token else "depthwise" if op.kind == "depthwise" else "matrix"
            compute[_AT[name]] = gmac
            traffic[_AT["activation"]] = moved_mb
            if op.kind == "conv":
                compute[_AT["reread"]] = gmac * _share_read_again(op, moved_mb, on_chip_mb)
        case "attention":
            compute[_AT["matrix"]] = gmac
            # One head's map is written and read at a time; it spills when both do not fit.
            beyond_mb = op.heads * max(0.0, 4 * maps_m / op.heads - on_chip_mb)
            traffic[_AT["map" if setting.ane_layout else "token_map"]] = maps_m
        case "softmax":
            traffic[_AT["map"]] = maps_m
        case "norm" | "elementwise":
            traffic[_AT[op.kind]] = moved_mb
        case "rearrange":  # the ANE-friendly layout is the one that needs none
            traffic[_AT["rearrange"]] = 0.0 if setting.ane_layout else moved_mb
            beyond_mb = 0.0 if setting.ane_layout else beyond_mb
        case "unknown":
            traffic[_AT["rearrange"]] = moved_mb
        case "activation" | "silu":
            beyond_mb = 0.0
            if op.kind == "silu" and setting.old_silu:
                traffic[_AT["silu"]] = moved_mb
        case "join":
            pass
    traffic[_AT["spill"]] = beyond_mb
    return compute, traffic


def _share_read_again(op: Operator, moved_mb: float, on_chip_mb: float) -> float:
    """Share of a convolution for which neither tensors nor weights stay on chip."""
    weights_mb = _weights_mb(op, 16.0)  # palettised ones are expanded on chip
    if not moved_mb or not weights_mb:
        return 0.0
    tensors = min(1.0, max(0.0, moved_mb + weights_mb - on_chip_mb) / moved_mb)
    return tensors * max(0.0, 1.0 - WEIGHT_SHARE * on_chip_mb / weights_mb)


def milliseconds(work: Loads, parameters: Array, floor: bool = True) -> tuple[float, Array]:
    """Return the milliseconds of ``work`` and their gradient by log-parameters, (14,).

    ``floor=False`` leaves the network's floor out, for a part of a network.
    """
    ms, gradient = operator_milliseconds(work, parameters)
    total = np.concatenate([[ms.sum()], gradient.sum(axis=0)])
    found = with_weights(total, work.weights_mb, parameters, floor)
    return float(found[0]), found[1:]


def operator_milliseconds(work: Loads, parameters: Array) -> tuple[Array, Array]:
    """Return milliseconds per row of ``work``, (n,), and gradients by log-parameters, (n, 14).

    ``parameters`` are (14,), or (n, 14) to give each row its own.
    """
    by_compute, by_traffic = work.compute * parameters, work.traffic * parameters
    compute, traffic = by_compute.sum(axis=1), by_traffic.sum(axis=1)
    ms: Array = (compute**OVERLAP + traffic**OVERLAP) ** (1 / OVERLAP)
    safe = np.maximum(ms, 1e-30)
    slope = by_compute * ((compute / safe) ** (OVERLAP - 1) * work.counts)[:, None]
    slope += by_traffic * ((traffic / safe) ** (OVERLAP - 1) * work.counts)[:, None]
    return ms * work.counts, slope


def with_weights(total: Array, weights_mb: Any, parameters: Array, floor: bool = True) -> Array:
    """Overlap operators with the reading of weights, and add the floor.

    ``total`` is milliseconds and their gradient, (..., 15), ``weights_mb`` (...), ``parameters``
    (..., 14); returns milliseconds and gradient, (..., 15).
    """
    ms, weights = total[..., 0], weights_mb * parameters[..., _AT["weight"]]
    both = (ms**OVERLAP + weights**OVERLAP) ** (1 / OVERLAP)
    safe = np.maximum(both, 1e-30)
    out: Array = total * ((ms / safe) ** (OVERLAP - 1))[..., None]
    out[..., 0] = both
    out[..., 1 + _AT["weight"]] += weights * (weights / safe) ** (OVERLAP - 1)
    if floor:
        out[..., 0] += parameters[..., _AT["floor"]]
        out[..., 1 + _AT["floor"]] += parameters[..., _AT["floor"]]
    return out
