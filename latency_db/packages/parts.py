"""A network cut into consecutive parts, each a module with named tensors in and out.

Runtimes of phones limit the size of one program (1 GB for the Neural Engine), and a conversion
holds a program several times. A part is built, filled with weights and converted on its own, so
that a network of any size costs the memory of its largest part.

Names and shapes at the outside are those of Apple's Stable Diffusion pipelines and of diffusers:
`sample`, `timestep`, `encoder_hidden_states`, for extra conditions `time_ids`, `text_embeds` and
`class_labels`; the output is `noise_pred`. A decoder makes `image` of `z`. Values that cross a cut
carry the name of the step that computes them.

>>> from search_space.presets import named_spec
>>> parts = cut(named_spec("sdxl"), sizes_at(16), limit=10**9)
>>> len(parts), parts[0].inputs[:3], parts[-1].outputs
(6, ('sample', 'timestep', 'encoder_hidden_states'), ('noise_pred',))
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import nn

from search_space.blocks import Block, Input
from search_space.errors import WalkbenchError
from search_space.modules import build
from search_space.network import Network
from search_space.plan import SKIP

OUTPUT = "noise_pred"
OUTPUTS = {"decoder": "image"}  # other kinds predict noise
# Apple's and diffusers' names of a UNet's inputs; other inputs keep the plan's
NAMES = {
    "latents": "sample",
    "timesteps": "timestep",
    "context": "encoder_hidden_states",
    "size_ids": "time_ids",
    "pooled": "text_embeds",
    "classes": "class_labels",
}
DECODER_NAMES = {"latents": "z"}
LARGEST_UNCOMPRESSED = 2048  # values; coremltools leaves such weights as they are
PHONE_LIMIT = 10**9  # bytes of weights in one program of the iOS Neural Engine

Bytes = Callable[[nn.Module], int]


@dataclass(frozen=True)
class Node:
    """One value of a network: the step that computes it and the values its block is called with.

    ``adds``: the value that the block's output is added to, or "".
    """

    name: str
    path: str  # of the module in the network
    block: Block
    reads: tuple[str, ...]
    adds: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """Every value that must exist before this one."""
        return (*self.reads, self.adds) if self.adds else self.reads


@dataclass(frozen=True)
class Part:
    """Consecutive nodes of a network; ``index`` counts from zero."""

    network: Network
    index: int
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weight_bytes: int


def outside_names(network: Network) -> dict[str, str]:
    """Return the outside name of every input that a pipeline calls otherwise than the plan."""
    return DECODER_NAMES if network.kind == "decoder" else NAMES


def output_name(network: Network) -> str:
    """Return the outside name of the output."""
    return OUTPUTS.get(network.kind, OUTPUT)


def network_inputs(network: Network) -> dict[str, Input]:
    """Return a network's inputs under their outside names, in the order of Apple's converter."""
    names = outside_names(network)
    given = {names.get(name, name): what for name, what in network.plan().inputs}
    order = [name for name in names.values() if name in given]
    return {name: given[name] for name in (*order, *(given.keys() - names.values()))}


def dataflow(network: Network) -> tuple[Node, ...]:
    """Return every value of the network in forward order; the last one is the output."""
    names = outside_names(network)
    current = {name: names.get(name, name) for name, _ in network.plan().inputs}
    nodes, skips = list[Node](), list[str]()
    for path, step in network.plan().steps():
        reads = tuple(skips.pop() if name == SKIP else current[name] for name in step.reads)
        adds = current[step.leaves] if step.adds else ""
        nodes.append(Node(path.replace(".", "_"), path, step.block, reads, adds))
        current[step.leaves] = nodes[-1].name
        if step.push:
            skips.append(nodes[-1].name)
    return (*nodes[:-1], replace(nodes[-1], name=output_name(network)))


def whole(network: Network, sizes: Bytes | None = None) -> Part:
    """Return the network as one part."""
    return _parts(network, [dataflow(network)], sizes or sizes_at(16))[0]


def cut(network: Network, sizes: Bytes, limit: int = PHONE_LIMIT) -> tuple[Part, ...]:
    """Return the fewest parts whose weights stay below ``limit`` bytes each, evenly filled.

    Raises :class:`WalkbenchError` naming a step that is larger than the limit on its own.
    """
    nodes = dataflow(network)
    weights = [_node_bytes(node, sizes) for node in nodes]
    heaviest = max(range(len(nodes)), key=weights.__getitem__)
    if weights[heaviest] > limit:
        raise WalkbenchError(
            f"step {nodes[heaviest].path} alone has {weights[heaviest] / 1e9:.3g} GB of weights; a "
            f"part may have {limit / 1e9:.3g} GB: use fewer bits, or a spec with less depth there"
        )
    count = -(-sum(weights) // limit)
    while True:
        bounds = _even(weights, count)
        if max(sum(weights[a:b]) for a, b in bounds) <= limit:
            return _parts(network, [nodes[a:b] for a, b in bounds], sizes)
        count += 1


def cut_into(network: Network, count: int, sizes: Bytes) -> tuple[Part, ...]:
    """Return exactly ``count`` parts, evenly filled."""
    nodes = dataflow(network)
    if not 1 <= count <= len(nodes):
        raise WalkbenchError(f"{count} parts of {len(nodes)} steps; 1 to {len(nodes)} are possible")
    bounds = _even([_node_bytes(node, sizes) for node in nodes], count)
    return _parts(network, [nodes[a:b] for a, b in bounds], sizes)


def sizes_at(bits: int) -> Bytes:
    """Return a function from a module to the bytes of its weights at ``bits`` per large weight.

    Matrices of more than 2048 values are compressed; biases and norms stay at 16 bits.
    """

    def size(module: nn.Module) -> int:
        total = 0
        for parameter in module.parameters():
            large = parameter.ndim > 1 and parameter.numel() > LARGEST_UNCOMPRESSED
            total += parameter.numel() * (bits if large else max(bits, 16)) // 8
        return total

    return size


def modules_of(nodes: Iterable[Node]) -> nn.Module:
    """Return the modules behind ``nodes`` on the meta device, named as in the whole network."""
    root = nn.Module()
    for node in nodes:
        segment, name = node.path.split(".")
        if segment not in root._modules:
            root.add_module(segment, nn.Module())
        with torch.device("meta"):
            root.get_submodule(segment).add_module(name, build(node.block))
    return root


def _parts(network: Network, groups: list[tuple[Node, ...]], sizes: Bytes) -> tuple[Part, ...]:
    given, parts = network_inputs(network), []
    for i, nodes in enumerate(groups):
        made = {node.name for node in nodes}
        reads = dict.fromkeys(name for node in nodes for name in node.needs if name not in made)
        later = {name for group in groups[i + 1 :] for node in group for name in node.needs}
        inputs = [name for name in given if name in reads]
        inputs += [name for name in reads if name not in given]
        last = output_name(network)
        outputs = [node.name for node in nodes if node.name in later or node.name == last]
        weights = sum(_node_bytes(node, sizes) for node in nodes)
        parts.append(Part(network, i, nodes, tuple(inputs), tuple(outputs), weights))
    return tuple(parts)


def _node_bytes(node: Node, sizes: Bytes) -> int:
    return sizes(_module_of(node))


@lru_cache(maxsize=1 << 10)
def _module_of(node: Node) -> nn.Module:
    return modules_of([node])


def _even(weights: list[int], count: int) -> list[tuple[int, int]]:
    """Cut a list into ``count`` runs whose largest sum is as small as it can be."""
    low, high = max(weights), sum(weights)
    while low < high:
        middle = (low + high) // 2
        if len(_greedy(weights, middle, count)) <= count:
            high = middle
        else:
            low = middle + 1
    return _greedy(weights, low, count)


def _greedy(weights: list[int], most: int, count: int) -> list[tuple[int, int]]:
    """Fill runs up to ``most``, leaving at least one item for each run that must still come."""
    bounds, start, held = list[tuple[int, int]](), 0, 0
    for i, weight in enumerate(weights):
        must_leave = i > start and len(weights) - i <= count - len(bounds) - 1
        if i > start and (held + weight > most or must_leave):
            bounds.append((start, i))
            start, held = i, 0
        held += weight
    return [*bounds, (start, len(weights))]
