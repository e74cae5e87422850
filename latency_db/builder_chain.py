"""What is timed: N copies of a block, or a whole network, as one module with flat inputs.

A call has a price of its own (0.5 ms on an iPhone), so a block is timed as graphs of N1 and N2
copies and the slope is taken. Copies must cost what they cost in a network, which decides how they
are put together:

- Blocks whose output can be their input (transformer layers, projections, resblocks that keep the
  width) form a **series**: each copy reads what the one before has just written.
- Blocks that change the shape stand in **parallel**, each with inputs and outputs of its own, all
  of them the graph's inputs and outputs. There is no cheap inverse of a block that would not be
  timed along with it.

Every copy has random weights of its own and nothing is constant but the weights, so a graph
optimiser can neither merge two copies nor compute one in advance. The time embedding and the text
are shared by all copies, as they are in a network. Rotary tables are constants, as they are there.

>>> from search_space.blocks import Resample
>>> program = program_of(Resample("down", 32, 16, None), copies=2)
>>> [tuple(t.shape) for t in program.module(*program.inputs)]
[(1, 32, 8, 8), (1, 32, 8, 8)]
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from latency_db.table_row import network_key
from search_space.attention import rope_table
from search_space.blocks import Block, TransformerLayer
from search_space.cost import STANDING
from search_space.modules import block_inputs, build
from search_space.modules.network import example_inputs
from search_space.network import Network, build_network

Subject = Block | Network
CHAIN_FORMAT = 1  # bumped when copies are put together differently: kept graphs are then stale


@dataclass(frozen=True)
class Program:
    """A module in eval mode and the tensors to call it with, all positional."""

    module: nn.Module
    inputs: tuple[Tensor, ...]


def key_of(subject: Subject) -> str:
    """Return the key of a block or a network in a table."""
    return subject.key if isinstance(subject, Block) else network_key(subject)


def program_of(subject: Subject, copies: int = 1, batch: int = 1, seed: int = 0) -> Program:
    """Return ``copies`` of a block, or one whole network, with random weights and inputs."""
    generator = torch.Generator().manual_seed(seed)
    if not isinstance(subject, Block):
        named = example_inputs(subject, batch, generator)
        network = _Positional(build_network(subject), tuple(named))
        return Program(randomise(network, generator), tuple(named.values()))
    chain = Chain(subject, copies)
    return Program(randomise(chain, generator), chain.example(batch, generator))


def randomise(module: nn.Module, generator: torch.Generator) -> nn.Module:
    """Give every parameter random values at which activations stay of order one."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.ndim > 1:
                p.copy_(noise * (p[0].numel() ** -0.5))
            else:
                is_scale = name.endswith("weight")  # of a norm
                p.copy_(noise * 0.1 + (1.0 if is_scale else 0.0))
    return module.eval()


class Chain(nn.Module):
    """``copies`` of one block, in series where its output fits its input, else in parallel."""

    def __init__(self, block: Block, copies: int):
        super().__init__()
        self.block = block
        self.copies = nn.ModuleList(build(block) for _ in range(copies))
        self._own, self._shared = _arguments(block)
        self.serial = _composes(block)
        if isinstance(block, TransformerLayer) and block.rope:
            table = rope_table(block.size, block.size, block.head_dim)
            self.register_buffer("rope", table, persistent=False)

    def example(self, batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Return random inputs: each copy's own where they stand in parallel, then the shared."""
        inputs = block_inputs(self.block, batch)
        own = [inputs[name] for name in self._own]
        shared = [inputs[name] for name in self._shared]
        tensors = own * (1 if self.serial else len(self.copies)) + shared
        return tuple(
            torch.randn(t.shape, generator=generator) if t.is_floating_point() else t.clone()
            for t in tensors
        )

    def forward(self, *tensors: Tensor) -> Any:
        """Return the last output of a series, or every output."""
        own = len(self._own)
        shared = dict(zip(self._shared, tensors[len(tensors) - len(self._shared) :], strict=True))
        if isinstance(self.block, TransformerLayer) and self.block.rope:
            shared["rope"] = self.get_buffer("rope")
        outputs = []
        x: Tensor | None = None
        for i, copy in enumerate(self.copies):
            at = 0 if self.serial else i * own
            given = dict(zip(self._own, tensors[at : at + own], strict=True))
            if x is not None and self.serial:
                given[self._own[0]] = x
            x = copy(**given, **shared)
            outputs.append(x)
        return x if self.serial else tuple(outputs)


class _Positional(nn.Module):
    """A network whose inputs are positional, in the order of ``names``."""

    def __init__(self, network: nn.Module, names: tuple[str, ...]):
        super().__init__()
        self.network = network
        self.names = names

    def forward(self, *tensors: Tensor) -> Tensor:
        """Call the network with its conditions by name."""
        out: Tensor = self.network(**dict(zip(self.names, tensors, strict=True)))
        return out


def _arguments(block: Block) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of what each copy has of its own, and of what all share; a rotary table is neither."""
    names = [name for name in block.arguments if name != "rope"]
    own = tuple(name for name in names if name not in STANDING)
    return own, tuple(name for name in names if name in STANDING)


def _composes(block: Block) -> bool:
    """Whether the output of a block has the shape of its first input."""
    with torch.device("meta"):
        inputs = block_inputs(block)
        out = build(block)(**inputs)
    first = inputs[block.arguments[0]]
    return first.is_floating_point() and out.shape == first.shape
