"""`PlannedNetwork`: the module that builds and runs any plan.

Submodules have the names of the plan's steps and are called with the values the steps read. The
class knows nothing about stages or embeddings.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from search_space.errors import WalkbenchError
from search_space.modules import build, example
from search_space.network import Network
from search_space.plan import SKIP, Step

Steps = Sequence[tuple[str, Step]]
Call = Callable[[nn.Module, dict[str, Tensor]], Tensor]


def assemble(network: nn.Module, steps: Steps) -> None:
    """Add the module of every step to ``network``, under the path of the step."""
    for path, step in steps:
        segment, name = path.split(".")
        if segment not in network._modules:
            network.add_module(segment, nn.Module())
        network.get_submodule(segment).add_module(name, build(step.block))


def run_steps(network: nn.Module, steps: Steps, values: dict[str, Tensor], call: Call) -> Tensor:
    """Run ``steps`` on named ``values``, which it extends, and return the last feature map.

    ``call`` runs one module on its arguments.
    """
    skips: list[Tensor] = []
    for path, step in steps:
        read = [skips.pop() if name == SKIP else values[name] for name in step.reads]
        given = dict(zip(step.block.arguments, read, strict=True))
        out = call(network.get_submodule(path), given)
        if step.adds:
            out = values[step.leaves] + out
        values[step.leaves] = out
        if step.push:
            skips.append(out)
    return values["x"]


class PlannedNetwork(nn.Module):
    """Any network, assembled and run from its plan; ``network`` says which.

    Submodules: ``module.get_submodule("down1.stack0")``.
    """

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        plan = network.plan()
        self._inputs, self._steps = dict(plan.inputs), list(plan.steps())
        self.recomputes = False  # activations in the backward pass, instead of keeping them
        assemble(self, self._steps)

    def forward(self, *args: Any, **named: Any) -> Tensor:
        """Return the output for the network's inputs, in the order of the plan or by name.

        Each has the batch first. Raises :class:`WalkbenchError` for an input that is missing, not
        known, or of another number of dimensions or channels.
        """
        inputs: dict[str, Tensor] = {**dict(zip(self._inputs, args, strict=False)), **named}
        for name in inputs.keys() | self._inputs.keys():
            if name not in inputs or name not in self._inputs:
                got = "missing" if name in self._inputs else "not known"
                raise WalkbenchError(
                    f"input {name!r} is {got}; this network needs {', '.join(self._inputs)}"
                )
            value, shape = inputs[name], self._inputs[name].shape
            if value.ndim != 1 + len(shape) or value.shape[1:2] != shape[:1]:
                raise WalkbenchError(
                    f"{name} has shape {tuple(value.shape)}; (B{''.join(f', {n}' for n in shape)}) "
                    "is needed"
                )
        return self.run(inputs)

    def run(self, values: dict[str, Tensor]) -> Tensor:
        """Run the plan on named ``values``, which it extends, and return the last feature map."""
        recomputes = self.recomputes and torch.is_grad_enabled()
        return run_steps(self, self._steps, values, _recomputed if recomputes else _called)


def _called(module: nn.Module, given: dict[str, Tensor]) -> Tensor:
    out: Tensor = module(**given)
    return out


def _recomputed(module: nn.Module, given: dict[str, Tensor]) -> Tensor:
    return checkpoint(_called, module, given, use_reentrant=False)  # type: ignore[no-any-return]


def example_inputs(
    network: Network, batch: int = 1, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Return a full set of forward arguments of ``network`` at the sizes it is planned for.

    Random with ``generator``, else zeros; on torch's default device and dtype.
    """
    return {name: example(given, batch, generator) for name, given in network.plan().inputs}
