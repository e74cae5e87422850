"""`PartModule(part)`: the module of a part, called with named tensors, on the meta device.

It runs the steps of its part and nothing else; one part that holds the whole network computes what
:class:`search_space.modules.network.PlannedNetwork` computes. :func:`run_by_step` computes the same
with the weights of one step in memory at a time.

>>> from latency_db.packages.parts import whole
>>> from search_space.presets import named_spec
>>> spec = named_spec("F/mqa")
>>> module = PartModule(whole(spec))
>>> with torch.device("meta"):
...     module(**part_inputs(whole(spec)))[0].shape
torch.Size([1, 4, 128, 128])
"""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from latency_db.packages.parts import Node, Part, dataflow, modules_of, network_inputs
from latency_db.packages.weights import WeightSource, fill
from search_space.errors import WalkbenchError
from search_space.modules import example
from search_space.network import Network

TextLayout = Literal["channels", "tokens"]  # (B, D, 1, T) as Core ML pipelines, or (B, T, D)
TIME, TEXT = "timestep", "encoder_hidden_states"
STEPS = 1000.0  # timesteps run from 0 to 1000


class PartModule(nn.Module):
    """The steps of ``part``. Submodules keep the names that they have in the whole network.

    ``text`` is the layout of `encoder_hidden_states`. ``shift`` is applied to the timestep: a
    pipeline that passes the unshifted t of a schedule whose noise levels are shifted
    (σ = shift·t / (1 + (shift - 1)·t), t and σ from 0 to 1) then reaches the network with σ.
    """

    def __init__(self, part: Part, text: TextLayout = "channels", shift: float = 1.0):
        super().__init__()
        if shift <= 0:
            raise WalkbenchError(f"time shift {shift} must be positive; 1 leaves time as it is")
        self.part, self.text, self.shift = part, text, shift
        for name, child in modules_of(part.nodes).named_children():
            self.add_module(name, child)

    def forward(self, **values: Tensor) -> tuple[Tensor, ...]:
        """Take the tensors named by ``part.inputs``, return those named by ``part.outputs``."""
        return _forward(
            self.part, values, self.text, self.shift, lambda node: self.get_submodule(node.path)
        )


def run_by_step(
    part: Part, weights: WeightSource, values: Mapping[str, Tensor], text: TextLayout, shift: float
) -> dict[str, Tensor]:
    """Return the outputs of a part by name; each step is filled with weights, run and dropped."""

    def filled(node: Node) -> nn.Module:
        root = modules_of([node])
        fill(root, part.network, weights)
        return root.get_submodule(node.path)

    with torch.no_grad():
        out = _forward(part, dict(values), text, shift, filled)
    return dict(zip(part.outputs, out, strict=True))


def _forward(
    part: Part,
    values: dict[str, Tensor],
    text: TextLayout,
    shift: float,
    module_of: Callable[[Node], nn.Module],
) -> tuple[Tensor, ...]:
    if TEXT in values and text == "channels":
        values[TEXT] = values[TEXT].squeeze(2).transpose(1, 2)  # (B, D, 1, T) to (B, T, D)
    if TIME in values and shift != 1.0:
        t = values[TIME]  # (B,)
        values[TIME] = shift * t / (1.0 + (shift - 1.0) / STEPS * t)
    for node in part.nodes:
        read = dict(zip(node.block.arguments, map(values.get, node.reads), strict=True))
        out: Tensor = module_of(node)(**read)
        values[node.name] = values[node.adds] + out if node.adds else out
    return tuple(values[name] for name in part.outputs)


def part_inputs(
    part: Part,
    batch: int = 1,
    text: TextLayout = "channels",
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """Return tensors to call a part with: random with ``generator``, else zeros."""
    known = network_inputs(part.network)
    made: dict[str, Tensor] = {}
    for name in part.inputs:
        if name in known:
            made[name] = example(known[name], batch, generator)
    if TEXT in made and text == "channels":
        made[TEXT] = made[TEXT].transpose(1, 2).unsqueeze(2).contiguous()  # (B, D, 1, T)
    inner = [name for name in part.inputs if name not in known]
    for name, shape in _inner_shapes(part.network, inner, batch).items():
        made[name] = torch.zeros(shape) if generator is None else _random(shape, generator)
    return {name: made[name] for name in part.inputs}


def _random(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator)


def _inner_shapes(network: Network, names: list[str], batch: int) -> dict[str, tuple[int, ...]]:
    """Shapes of values inside the network, from running it on meta."""
    if not names:
        return {}
    inputs = network_inputs(network)
    with torch.device("meta"), torch.no_grad():
        module = PartModule(Part(network, 0, dataflow(network), tuple(inputs), tuple(names), 0))
        module.text = "tokens"
        out = module(**{name: example(what, batch) for name, what in inputs.items()})
    return {name: tuple(tensor.shape) for name, tensor in zip(names, out, strict=True)}
