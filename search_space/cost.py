"""Exact costs of a network: parameters, MACs, bytes of weights and activations.

Each distinct block is built and traced once on `meta`; its cost is cached, and so is the sum over
each plan segment. The cost of one more candidate of a search is then a handful of lookups.

Bytes are at half precision (two bytes a value) unless said otherwise. ``activation_bytes`` is the
traffic of every operator reading its inputs and writing its outputs, attention as one fused
operator; ``peak_activation_bytes`` is what eager execution holds at once, inputs and skips
included, weights not. A network that stands for several programs
(:mod:`search_space.program`) has the parameters of all of them, the MACs and the traffic of all
their calls, and the largest of their peaks, as one runs at a time.

>>> from search_space.presets import named_spec
>>> cost(named_spec("sdxl")).params
2567463684
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch

from search_space.blocks import Block, TransformerLayer, TransformerProjection, TransformerStack
from search_space.modules import block_inputs, build
from search_space.network import Network
from search_space.plan import SKIP, Segment
from search_space.program import is_several, programs_of
from search_space.trace import Op, trace

STANDING = ("time", "context")  # inputs of a block that live throughout the forward pass
BYTES_PER_VALUE = 2  # float16, what Core ML and the ANE use for weights and activations


@dataclass(frozen=True)
class BlockCost:
    """What one block costs at batch 1; values are counted in elements."""

    params: int
    macs: int
    moved_values: int
    peak_values: int  # without the time embedding and the text, which live throughout
    input_values: int
    skip_values: int
    output_values: int
    ops: tuple[Op, ...]


@dataclass(frozen=True)
class Cost:
    """What one network costs at batch 1; of several programs, what one picture costs."""

    params: int
    macs: int
    weight_bytes: int
    activation_bytes: int
    peak_activation_bytes: int


class _SegmentCost(NamedTuple):
    params: int
    macs: int
    moved_values: int
    peak_values: int  # relative to the skips alive when the segment begins
    kept_values: int  # skips it leaves minus skips it takes; negative on the way up
    standing_values: int  # what it leaves for the whole of the forward pass: time, projected text


def cost(network: Network) -> Cost:
    """Return the exact cost of ``network`` at the sizes it is planned for."""
    if is_several(network):
        return _cost_of_several(network)
    plan = network.plan()
    params = macs = moved = kept = peak = 0
    standing = sum([given.values for _, given in plan.inputs])
    x_is_skip = False
    for segment in plan.segments:
        part = _segment_cost(segment, x_is_skip)
        x_is_skip = segment.steps[-1].push
        params += part.params
        macs += part.macs
        moved += part.moved_values
        peak = max(peak, kept + part.peak_values)
        kept += part.kept_values
        standing += part.standing_values
    peak += standing
    return Cost(
        params,
        macs,
        params * BYTES_PER_VALUE,
        moved * BYTES_PER_VALUE,
        peak * BYTES_PER_VALUE,
    )


def _cost_of_several(network: Network) -> Cost:
    parts = [(program.calls, cost(program.network)) for program in programs_of(network)]
    return Cost(
        sum(part.params for _, part in parts),
        sum(calls * part.macs for calls, part in parts),
        sum(part.weight_bytes for _, part in parts),
        sum(calls * part.activation_bytes for calls, part in parts),
        max(part.peak_activation_bytes for _, part in parts),
    )


def _segment_cost(segment: Segment, x_is_skip: bool) -> _SegmentCost:
    """Sum a segment; ``x_is_skip``: its input is also the newest skip, and alive only once.

    Cached on the segment, which plans share: a dictionary lookup would hash all its steps.
    """
    remembered: dict[bool, _SegmentCost] = segment.__dict__.setdefault("_costs", {})
    if x_is_skip not in remembered:
        remembered[x_is_skip] = _sum_steps(segment, x_is_skip)
    return remembered[x_is_skip]


def _sum_steps(segment: Segment, x_is_skip: bool) -> _SegmentCost:
    params = macs = moved = peak = kept = standing = 0
    for step in segment.steps:
        part = _cached_cost(step.block)
        params += part.params
        macs += part.macs
        moved += part.moved_values
        if step.pop:
            kept -= part.skip_values
        peak = max(peak, kept + part.peak_values - x_is_skip * part.input_values)
        if step.push:
            kept += part.output_values
        if step.leaves != "x" and not step.adds:
            standing += part.output_values
        x_is_skip = step.push
    return _SegmentCost(params, macs, moved, peak, kept, standing)


def _cached_cost(block: Block) -> BlockCost:
    """Return the cost of a step's block, cached on the block; steps share equal blocks."""
    kept: BlockCost | None = block.__dict__.get("_cost")
    if kept is None:
        kept = block.__dict__["_cost"] = _step_cost(block)
    return kept


@lru_cache(maxsize=1 << 17)
def _step_cost(block: Block) -> BlockCost:
    """Cost of ``block`` with all its parts; a stack's sizes and peak are those of one layer."""
    if not isinstance(block, TransformerStack):
        return block_cost(block)
    shallow = _one_layer(block.projection, block.layer)
    projection, layer, depth = block_cost(block.projection), block_cost(block.layer), block.depth
    return BlockCost(
        projection.params + depth * layer.params,
        projection.macs + depth * layer.macs,
        projection.moved_values + depth * layer.moved_values,
        shallow.peak_values,
        shallow.input_values,
        shallow.skip_values,
        shallow.output_values,
        (),
    )


@lru_cache(maxsize=1 << 16)
def _one_layer(projection: TransformerProjection, layer: TransformerLayer) -> BlockCost:
    return block_cost(TransformerStack(projection, layer, 1))


@lru_cache(maxsize=1 << 17)
def block_cost(block: Block) -> BlockCost:
    """Return the cost of one block, traced on `meta` once and cached."""
    with torch.device("meta"):
        module, inputs = build(block), block_inputs(block)
    traced = trace(module, **inputs)
    values = {name: t.numel() for name, t in inputs.items()}
    return BlockCost(
        sum(p.numel() for p in module.parameters()),
        traced.macs,
        traced.moved_values,
        traced.peak_values - sum(values.get(name, 0) for name in STANDING),
        next(iter(values.values())),
        values.get(SKIP, 0),
        traced.output_values,
        traced.ops,
    )
