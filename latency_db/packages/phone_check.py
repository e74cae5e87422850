"""`check_phone(network)`: what will not map well to a phone, from the trace alone, in seconds.

Every step is traced in the form it is converted in. Limits of the Neural Engine are not Apple's
word; they come from those who measured them:

- at most 16,384 along width and height and 65,536 channels, else the operator leaves it
  (ane-guide.readthedocs.io, model-design rules, measured on M1; coremltools#1003 finds the same);
- look-ups in a table run on the processor (github.com/hollance/neural-engine), and so do the
  sinusoids of the timestep, which packages keep in single precision;
- 1 GB of weights in one program (apple/ml-stable-diffusion, README), unless of 6 bits or fewer;
- half of a phone's memory for one app, a rule of thumb: iOS ends an app somewhat above it.

>>> from search_space.presets import named_spec
>>> found = check_phone(named_spec("sdxl"), "iPhone 15 Pro")
>>> sorted({finding.kind for finding in found})
['attention map', 'memory', 'operator', 'program size']
>>> found[-1].kind, found[-1].step, found[-1].cure[:14]
('memory', 'whole network', '--bits 6, or t')
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch

from latency_db.backends.coreml_form import Layout, export_form
from latency_db.devices import CHIPS, DEVICES, chip_of
from latency_db.packages.parts import PHONE_LIMIT, dataflow, sizes_at, whole
from search_space.blocks import Block, MapAttention, TransformerLayer, TransformerStack
from search_space.cost import cost
from search_space.errors import WalkbenchError
from search_space.modules import block_inputs, build
from search_space.network import Network
from search_space.trace import Op, trace

Kind = Literal["operator", "dimension", "attention map", "program size", "memory"]
MAX_SIDE, MAX_CHANNELS = 16_384, 65_536  # of the last two axes; of the one before
LOOKUP, SINUSOID = "look-up in a table", "sinusoid in single precision"
OFF_ENGINE = {
    **dict.fromkeys(("embedding", "index_select", "gather"), LOOKUP),
    **dict.fromkeys(("sin", "cos"), SINUSOID),
}
CURES = {
    LOOKUP: "compute the class embedding outside and add it to the time embedding",
    SINUSOID: "none needed: a few values, once per call",
}
HALF = 2  # bytes of a value at half precision
APP_SHARE = 0.5  # of a phone's memory
WITHOUT_LIMIT_BITS = 6  # Apple's README chunks only what has more bits

# Memory of each phone in GB, from teardowns; Apple states none.
MEMORY_GB = {
    **dict.fromkeys(("iPhone 12 mini", "iPhone 12", "iPhone 13 mini", "iPhone 13"), 4),
    **dict.fromkeys(("iPhone 12 Pro", "iPhone 12 Pro Max", "iPhone 13 Pro"), 6),
    **dict.fromkeys(("iPhone 13 Pro Max", "iPhone 14", "iPhone 14 Plus"), 6),
    **dict.fromkeys(("iPhone 14 Pro", "iPhone 14 Pro Max", "iPhone 15", "iPhone 15 Plus"), 6),
    **dict.fromkeys(("iPhone 15 Pro", "iPhone 15 Pro Max", "iPhone 16", "iPhone 16 Plus"), 8),
    **dict.fromkeys(("iPhone 16 Pro", "iPhone 16 Pro Max", "iPhone 17"), 8),
    **dict.fromkeys(("iPhone 17 Pro", "iPhone 17 Pro Max"), 12),
}


@dataclass(frozen=True)
class Finding:
    """One thing that will not map well: where, how large it is, the limit, and what helps."""

    kind: Kind
    step: str
    what: str
    value: float
    limit: float
    unit: str
    cure: str


def check_phone(
    network: Network, device: str = "iPhone 15 Pro", bits: int = 16, layout: Layout = "standard"
) -> list[Finding]:
    """Return what will not map well to ``device``, in the order of the forward pass, sizes last.

    Raises :class:`WalkbenchError` for a device that is not known or has no known memory.
    """
    chip, memory = CHIPS[chip_of(device)], memory_of(device)
    found, nodes = list[Finding](), dataflow(network)
    stacks = [node.block.layer.size for node in nodes if isinstance(node.block, TransformerStack)]
    lowest = min(stacks, default=0)
    for node in nodes:
        found += _findings(node.path, node.block, layout)
        if isinstance(node.block, TransformerStack):
            found += _maps(node.path, node.block.layer, chip.on_chip_mb, lowest)
        if isinstance(node.block, MapAttention):
            found += _whole_map(node.path, node.block, chip.on_chip_mb)
    found += _program_size(network, bits)
    found += _memory(network, device, memory, bits)
    return found


def memory_of(device: str) -> float:
    """Return the bytes of memory of a phone; of a chip, those of the phone with the least."""
    chip = chip_of(device)
    names = [name for name in MEMORY_GB if name.casefold() == device.casefold()]
    names = names or [name for name in MEMORY_GB if DEVICES[name] == chip]
    if not names:
        raise WalkbenchError(f"the memory of {device!r} is not known; name a phone with --device")
    return min(MEMORY_GB[name] for name in names) * 1e9


def app_memory(device: str) -> float:
    """Return the bytes that one app may use on a phone, by the rule of thumb above."""
    return APP_SHARE * memory_of(device)


def needed_memory(network: Network, bits: int) -> float:
    """Return the bytes of a network's weights and of its activations at their peak."""
    return whole(network, sizes_at(bits)).weight_bytes + cost(network).peak_activation_bytes


def _findings(step: str, block: Block, layout: Layout) -> Iterator[Finding]:
    seen: set[tuple[Kind, str]] = set()
    for op in _traced(block, layout):
        for finding in (_operator(step, op, block), _dimension(step, op, block)):
            if finding is not None and (finding.kind, finding.what) not in seen:
                seen.add((finding.kind, finding.what))
                yield finding


@lru_cache(maxsize=1 << 10)
def _traced(block: Block, layout: Layout) -> tuple[Op, ...]:
    with torch.device("meta"):
        module = export_form(build(block), layout)
        return trace(module, **block_inputs(block)).ops


def _operator(step: str, op: Op, block: Block) -> Finding | None:
    what = OFF_ENGINE.get(op.name)
    if what is None or isinstance(block, TransformerStack):  # whose rotary table is a constant
        return None
    values = math.prod(op.shape)
    return Finding("operator", step, f"{what}, on the processor", values, 0, "values", CURES[what])


def _dimension(step: str, op: Op, block: Block) -> Finding | None:
    limits = (MAX_CHANNELS, MAX_SIDE, MAX_SIDE)
    for size, limit in zip(op.shape[-3:], limits[-len(op.shape[-3:]) :], strict=True):
        if size > limit:
            what = f"{op.name} of shape {'×'.join(map(str, op.shape))}"
            return Finding("dimension", step, what, size, limit, "values", _dimension_cure(block))
    return None


def _dimension_cure(block: Block) -> str:
    """The heads of a group stand one below the other; one head at a time stays within."""
    if isinstance(block, TransformerStack) and block.layer.kv_heads < block.layer.heads:
        return "--layout ane takes one head at a time; or kv_heads = heads in this stage"
    return "a smaller latent_size, or this block at a lower resolution"


def _maps(step: str, layer: TransformerLayer, on_chip_mb: float, lowest: int) -> Iterator[Finding]:
    """Attention maps of one layer, all heads, against what a chip keeps beside its units.

    ``lowest`` is the smallest map that has transformers: the walk keeps self-attention there.
    """
    tokens = layer.size**2
    own = "no-high-res-sa: self-attention in the lowest-resolution stage only"
    if layer.size == lowest:
        own = "fewer heads, or a smaller latent_size; the walk keeps self-attention here"
    kinds = (
        ("self", layer.self_attention, tokens, own),
        ("cross", layer.cross_attention, layer.tokens, "fewer text tokens, or fewer heads here"),
    )
    for name, present, keys, cure in kinds:
        megabytes = layer.heads * tokens * keys * HALF / 1e6
        if present and megabytes > on_chip_mb:
            what = f"{name}-attention map, {layer.heads} heads of {tokens:,} × {keys:,}"
            yield Finding("attention map", step, what, megabytes, on_chip_mb, "MB", cure)


def _whole_map(step: str, block: MapAttention, on_chip_mb: float) -> Iterator[Finding]:
    """A decoder's attention has one head over all positions."""
    tokens = block.size**2
    megabytes = tokens**2 * HALF / 1e6
    if megabytes > on_chip_mb:
        what = f"self-attention map, 1 head of {tokens:,} × {tokens:,}"
        cure = "no attention: decoder/no-attention and what follows it in the walk"
        yield Finding("attention map", step, what, megabytes, on_chip_mb, "MB", cure)


def _program_size(network: Network, bits: int) -> Iterator[Finding]:
    size = whole(network, sizes_at(bits)).weight_bytes
    if size > PHONE_LIMIT and bits > WITHOUT_LIMIT_BITS:
        what = f"weights of one program at {bits} bits"
        cure = "--chunks auto (the default) cuts it; --bits 6 needs no cut by Apple's README"
        yield Finding(
            "program size", "whole network", what, size / 1e9, PHONE_LIMIT / 1e9, "GB", cure
        )


def _memory(network: Network, device: str, memory: float, bits: int) -> Iterator[Finding]:
    needed, allowed = needed_memory(network, bits), APP_SHARE * memory
    if needed > allowed:
        what = f"weights at {bits} bits and activations at their peak, an app's share of {device}"
        cure = "--bits 6, or thin: fewer layers and channels (5.8 times fewer weights)"
        if network.kind == "decoder":
            cure = "fewer channels at the highest resolution, or a smaller latent_size"
        yield Finding("memory", "whole network", what, needed / 1e9, allowed / 1e9, "GB", cure)
