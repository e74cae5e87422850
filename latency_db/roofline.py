"""The model behind an estimate: a roofline per operator, thirteen physical numbers per chip.

    ms = floor + Σ over operators  ( compute^p + traffic^p ) ^ (1/p)

Compute and traffic overlap, hence the smooth maximum; operators do not. Each parameter is a cost
per billion multiply-accumulates or per megabyte, never negative, and says what it means in
:data:`PARAMETERS`. Everything is linear in the parameters inside compute and inside traffic, so a
network is two small matrices and its milliseconds come with their gradient.

>>> import numpy as np
>>> from latency_db.operators import Operator
>>> work = loads({Operator("matrix", 10**9, 10**6, 10**6): 1}, on_chip_mb=16.0)
>>> ms, gradient = milliseconds(work, START)
>>> round(float(ms), 2), gradient.shape
(0.9, (13,))
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latency_db.operators import Operator

Array = NDArray[np.float64]

OVERLAP = 3.0  # p: 1 would add compute and traffic, infinity would hide the smaller completely


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
    Parameter("matrix", "ms/GMAC", 0.4, "convolutions and matrix products"),
    Parameter("depthwise", "ms/GMAC", 1.0, "depthwise convolutions"),
    Parameter(
        "spilled_conv",
        "ms/GMAC",
        1.0,
        "dense convolutions, for the share of their tensors that does not fit on chip: each input "
        "is read again for every tap of the kernel",
        from_memory=True,
    ),
    Parameter("weight", "ms/MB", 0.04, "reading weights", from_memory=True),
    Parameter("activation", "ms/MB", 0.01, "reading and writing activations, in arithmetic"),
    Parameter("elementwise", "ms/MB", 0.01, "sums, products, pools of activations"),
    Parameter("norm", "ms/MB", 0.05, "norms that need statistics of their input"),
    Parameter("rearrange", "ms/MB", 0.04, "transposes that are carried out, gathers"),
    Parameter("spill", "ms/MB", 0.03, "tensors that do not fit on chip", from_memory=True),
    Parameter("map", "ms/Mvalue", 0.05, "attention maps, in an ANE-friendly layout"),
    Parameter("token_attention", "ms/MB", 0.3, "attention as (batch, tokens, channels) writes it"),
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

    ``compute`` and ``traffic`` are (n, 13); ``counts`` (n,).
    """

    compute: Array
    traffic: Array
    counts: Array


def loads(
    ops: Mapping[Operator, int],
    on_chip_mb: float,
    setting: Setting = Setting(),
    floor: bool = True,
) -> Loads:
    """Return the loads of ``ops`` (with their counts) on a chip with ``on_chip_mb`` of memory.

    ``floor=False`` leaves the network's floor out, for a part of a network.
    """
    rows = [_row(op, on_chip_mb, setting) for op in ops]
    counts = [float(count) for count in ops.values()]
    if floor:
        start = np.zeros(len(NAMES))
        start[_AT["floor"]] = 1.0
        rows.append((np.zeros(len(NAMES)), start))
        counts.append(1.0)
    shape = (-1, len(NAMES))
    compute = np.array([row[0] for row in rows]).reshape(shape)
    traffic = np.array([row[1] for row in rows]).reshape(shape)
    return Loads(compute, traffic, np.array(counts))


def _row(op: Operator, on_chip_mb: float, setting: Setting) -> tuple[Array, Array]:
    compute, traffic = np.zeros(len(NAMES)), np.zeros(len(NAMES))
    gmac, moved_mb, maps_m = op.macs / 1e9, op.moved * 2 / 1e6, op.maps / 1e6
    weights_mb = op.weights * setting.weight_bits / 8 / 1e6
    beyond_mb = max(0.0, moved_mb + weights_mb - on_chip_mb)
    traffic[_AT["weight"]] = weights_mb
    match op.kind:
        case "conv" | "matrix" | "depthwise":
            compute[_AT["depthwise" if op.kind == "depthwise" else "matrix"]] = gmac
            traffic[_AT["activation"]] = moved_mb
            if op.kind == "conv" and moved_mb:
                compute[_AT["spilled_conv"]] = gmac * min(1.0, beyond_mb / moved_mb)
        case "attention":
            compute[_AT["matrix"]] = gmac
            # One head's map is written and read at a time; it spills when both do not fit.
            beyond_mb = op.heads * max(0.0, 4 * maps_m / op.heads - on_chip_mb)
            if setting.ane_layout:
                traffic[_AT["map"]] = maps_m
            else:  # scores, softmax and product each pass over the maps
                traffic[_AT["token_attention"]] = moved_mb + 8 * maps_m
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


def milliseconds(work: Loads, parameters: Array) -> tuple[float, Array]:
    """Return the milliseconds of ``work`` and their gradient by log-parameters, (13,)."""
    times, gradient = operator_milliseconds(work, parameters)
    return float(times.sum()), gradient.sum(axis=0)


def operator_milliseconds(work: Loads, parameters: Array) -> tuple[Array, Array]:
    """Return milliseconds per row of ``work``, (n,), and gradients by log-parameters, (n, 13)."""
    compute, traffic = work.compute @ parameters, work.traffic @ parameters
    ms = (compute**OVERLAP + traffic**OVERLAP) ** (1 / OVERLAP)
    safe = np.maximum(ms, 1e-30)
    by_compute = (compute / safe) ** (OVERLAP - 1) * work.counts
    by_traffic = (traffic / safe) ** (OVERLAP - 1) * work.counts
    slope = work.compute * by_compute[:, None] + work.traffic * by_traffic[:, None]
    return ms * work.counts, slope * parameters
