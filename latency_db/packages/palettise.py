"""Fewer bits per weight: palettes by k-means, each decompressed and compared with its original.

coremltools replaces a weight by indices into a table of 2^bits values. Its own k-means takes
minutes for a whole network; half-precision weights take at most 65,536 different values, so here
k-means works on their counts and hands the table over (mode "custom"). A weight that coremltools
leaves as it is, or decompresses to something else, is an error: it warns at best
(coremltools#2777), and wrong palettes have been seen (coremltools#2716).

>>> import numpy as np
>>> weight = np.linspace(-1, 1, 4096).astype(np.float16)
>>> table, indices = palette(weight, bits=4)
>>> table.shape, indices.dtype, bool(correlation(table[indices], weight) > 0.99)
((16,), dtype('uint8'), True)
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from latency_db.backends.coreml_export import coremltools, quiet
from latency_db.packages.parts import LARGEST_UNCOMPRESSED
from search_space.errors import WalkbenchError

SMALLEST_CORRELATION = {8: 0.9999, 6: 0.999, 4: 0.99, 3: 0.95}  # of a weight with its original
TARGET_BITS = {"ios17": (16, 8, 6, 4), "ios18": (16, 8, 6, 4, 3)}
_ROUNDS, _BINS = 200, 256
_SUFFIX = "_palettized"  # what coremltools appends to the name of a weight


@dataclass(frozen=True)
class CompressedWeight:
    """One weight after palettisation. ``groups``: palettes, 0 where it stayed uncompressed."""

    name: str
    values: int
    groups: int
    correlation: float


def check_bits(bits: int, target: str, group: int) -> None:
    """Raise :class:`WalkbenchError` for bits or groups that a deployment target lacks."""
    if bits not in TARGET_BITS[target]:
        known = ", ".join(map(str, TARGET_BITS[target]))
        other = [name for name, allowed in TARGET_BITS.items() if bits in allowed]
        hint = f"; {bits} bits need --target {other[0]}" if other else ""
        raise WalkbenchError(f"{bits} bits per weight on {target}; it knows {known}{hint}")
    if group < 0 or (group and bits == 16):
        raise WalkbenchError(f"group size {group} needs palettes; give --bits 8, 6 or 4 with it")
    if group and target == "ios17":
        raise WalkbenchError(
            f"palettes per group of {group} channels need --target ios18; ios17 knows one palette "
            "per weight (--group 0)"
        )


def large_weights(module: nn.Module) -> dict[str, int]:
    """Return the output channels of every parameter that palettes replace, by name."""
    return {
        name: parameter.shape[0]
        for name, parameter in module.named_parameters()
        if parameter.ndim > 1 and parameter.numel() > LARGEST_UNCOMPRESSED
    }


def check_group(channels: Mapping[str, int], group: int) -> list[str]:
    """Return the weights whose output ``channels`` a group size does not divide; 0 divides all.

    Raises :class:`WalkbenchError` naming one of them when it divides none.
    """
    undivided = [name for name, count in channels.items() if group and count % group]
    if undivided and len(undivided) == len(channels):
        raise WalkbenchError(
            f"group size {group} divides the output channels of no weight, "
            f"{undivided[0]} has {channels[undivided[0]]}; choose a divisor or --group 0"
        )
    return undivided


def palette(values: Any, bits: int) -> tuple[Any, Any]:
    """Return the 2^bits values that k-means finds, ascending, and the index of each value.

    Lloyd's iterations on the counts of the distinct half-precision values. They start from points
    as dense as the cube root of the values' density, which is optimal for many points (Panter and
    Dite 1951).
    """
    codes = values.reshape(-1).astype(np.float16).view(np.uint16)
    counts = np.bincount(codes, minlength=1 << 16)
    used = np.flatnonzero(counts)
    distinct = used.astype(np.uint16).view(np.float16).astype(np.float64)
    order = np.argsort(distinct)
    used, distinct = used[order], distinct[order]
    weight = counts[used].astype(np.float64)
    cumulated = np.concatenate([[0.0], np.cumsum(weight)])
    moments = np.concatenate([[0.0], np.cumsum(weight * distinct)])
    size = 1 << bits
    density, edges = np.histogram(distinct, _BINS, weights=weight)
    wanted = np.concatenate([[0.0], np.cumsum(np.cbrt(density))])
    centers = np.interp((np.arange(size) + 0.5) / size * wanted[-1], wanted, edges)
    for _ in range(_ROUNDS):
        bounds = np.searchsorted(distinct, (centers[1:] + centers[:-1]) / 2)
        at = np.concatenate([[0], bounds, [len(distinct)]])
        held, moment = np.diff(cumulated[at]), np.diff(moments[at])
        moved = np.where(held > 0, moment / np.maximum(held, 1.0), centers)
        if np.allclose(moved, centers, rtol=1e-6, atol=0.0):
            break
        centers = moved
    table = np.sort(centers).astype(values.dtype)
    wide = table.astype(np.float64)
    nearest = np.zeros(1 << 16, np.uint8)
    nearest[used] = np.searchsorted((wide[1:] + wide[:-1]) / 2, distinct)
    return table, nearest[codes]


def palettise(
    model: Any, module: nn.Module, bits: int, group: int = 0
) -> tuple[Any, list[CompressedWeight]]:
    """Return ``model`` with palettes instead of the large weights of ``module``, and their errors.

    ``group``: output channels that share a palette, 0 for one palette per weight; a weight whose
    channels do not divide by it gets one palette and is listed with ``groups`` 1. Raises
    :class:`WalkbenchError` when no weight divides, when one stays uncompressed, or when one
    decompresses to something else than its original.
    """
    ct = coremltools()
    constants = _large_constants(model._mil_program)
    originals = _weights_of(module, constants)
    undivided = check_group({name: v.shape[0] for name, v in originals.items()}, group)

    def config(granularity: str) -> Any:
        options = {"group_size": group} if granularity == "per_grouped_channel" else {}
        return ct.optimize.coreml.OpPalettizerConfig(
            mode="custom",
            lut_function=lambda values: palette(values, bits),
            granularity=granularity,
            weight_threshold=LARGEST_UNCOMPRESSED,
            **options,
        )

    whole = config("per_tensor")
    settings = ct.optimize.coreml.OptimizationConfig(
        global_config=config("per_grouped_channel") if group else whole,
        op_name_configs={
            **dict.fromkeys(undivided, whole),
            **dict.fromkeys(constants.keys() - originals.keys()),  # None: left as they are
        },
    )
    log = logging.getLogger("coremltools")
    before = log.level
    log.setLevel(logging.CRITICAL)  # what it would warn of is an error below
    try:
        with quiet():
            made = ct.optimize.coreml.palettize_weights(model, settings)
    finally:
        log.setLevel(before)
    weights = compare(originals, made._mil_program)
    check_weights(weights, bits)
    return made, weights


def compare(originals: Mapping[str, Any], program: Any) -> list[CompressedWeight]:
    """Decompress every weight of a palettised program and compare it with its original."""
    found = {}
    for op in program.functions["main"].operations:
        if op.op_type == "constexpr_lut_to_dense":
            table = op.lut.val
            groups = table.size // table.shape[-2] if table.ndim > 1 else 1
            found[op.name.removesuffix(_SUFFIX)] = (op.materialized_val_inference(), groups)
    return [
        CompressedWeight(name, value.size, found[name][1], correlation(found[name][0], value))
        if name in found
        else CompressedWeight(name, value.size, 0, 1.0)
        for name, value in originals.items()
    ]


def check_weights(weights: list[CompressedWeight], bits: int) -> None:
    """Raise :class:`WalkbenchError` naming a weight that is uncompressed or not its original."""
    for weight in weights:
        if weight.groups == 0:
            raise WalkbenchError(
                f"coremltools left {weight.name} ({weight.values:,} values) uncompressed; choose "
                "another --group, or --bits 16"
            )
        if not weight.correlation >= SMALLEST_CORRELATION[bits]:
            raise WalkbenchError(
                f"{weight.name} at {bits} bits correlates {weight.correlation:.4f} with its "
                f"original, {SMALLEST_CORRELATION[bits]} is needed; use more bits"
            )


def correlation(one: Any, other: Any) -> float:
    """Return the cosine between two weights, mean removed; 1 for two equal constants."""
    a, b = (np.asarray(v, np.float64).reshape(-1) for v in (one, other))
    a, b = a - a.mean(), b - b.mean()
    norms = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norms if norms else float(np.array_equal(one, other))


def _weights_of(module: nn.Module, constants: Mapping[str, Any]) -> dict[str, Any]:
    """The constants that hold a large parameter; others, such as rotary tables, are exact."""
    out = {}
    for name in large_weights(module):
        prefix = "p_" + name.replace(".", "_")  # torch.export's name of a parameter
        held = [key for key in (prefix, f"{prefix}_to_fp16") if key in constants]
        if not held:
            raise WalkbenchError(
                f"the program has no constant for parameter {name}; it cannot be compressed, "
                "use --bits 16"
            )
        out[held[0]] = constants[held[0]]
    return out


def _large_constants(program: Any) -> dict[str, Any]:
    """Floating-point constants of a program that coremltools would compress, by name."""
    out = {}
    for op in program.functions["main"].operations:
        if op.op_type != "const":
            continue
        value = op.outputs[0].val
        floats = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        if floats and value.size > LARGEST_UNCOMPRESSED:
            out[op.name] = value
    return out
