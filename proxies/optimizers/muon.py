"""Muon on matrices, AdamW on all else: no rate depends on what a layer reads or how wide it is.

AdamW moves every weight by about the learning rate, so a layer's output moves in proportion to its
number of inputs: a dense 3×3 kernel has nine times those of a pointwise one, and designs with such
kernels need another rate. Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) replaces the
gradient of a matrix by the nearest orthogonal matrix, which moves every direction alike. A kernel
counts as the matrix of its output channels by all it reads; the readout is a matrix too (with AdamW
on it a twin learned less in 400 steps). Biases, norms, embeddings and depthwise kernels are none.

Steps have a spectral norm of √max(1, rows/columns) times the rate. The scale that matches AdamW's,
0.2·√max(rows, columns), doubles the change of a layer's output from width 16 to 64
(tests/proxies/test_learning_rate.py).

>>> from proxies.recipe import Recipe
>>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Linear(4, 8))
>>> muon = Muon(Recipe(), net, {})
>>> [(group.names, group.stacks) for group in muon.flat.groups if group.stacks]
[(('0.weight', '2.weight'), ((1, 8, 27), (1, 8, 4)))]
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from proxies.flat import FlatParameters, Group
from proxies.optimizers.adamw import AdamWVectors
from proxies.optimizers.orthogonal import orthogonalising_factors
from proxies.recipe import Recipe

MOMENTUM = 0.95


def step_size(rows: int, columns: int) -> float:
    """Return the spectral norm of a step at a learning rate of one."""
    return math.sqrt(max(1.0, rows / columns))


@dataclass(frozen=True, eq=False)
class _Matrices:
    """Equal shapes in one vector of weights, seen with the shorter side first."""

    weights: Tensor  # (n, r, c), a view, r ≤ c
    update: Tensor  # (n, r, c), a view of the group's update
    size: float


class Muon:
    """See :class:`proxies.optimizers.protocol.Optimizer`."""

    def __init__(self, recipe: Recipe, model: nn.Module, multipliers: Mapping[str, float]) -> None:
        del multipliers  # relative to the same design at another width; no rate here is
        self.learning_rate, self.weight_decay = recipe.learning_rate, recipe.weight_decay
        matrices = matrix_names(model)
        self.flat = FlatParameters(model, lambda name: 1.0, matrices.__contains__)
        self.stacked = [group for group in self.flat.groups if group.stacks]
        others = [group for group in self.flat.groups if not group.stacks]
        self.others = AdamWVectors(recipe, others)
        self.momentum = [torch.zeros_like(group.weights) for group in self.stacked]
        self.update = [torch.zeros_like(group.weights) for group in self.stacked]
        self.by_side = _by_shorter_side(zip(self.stacked, self.update, strict=True))

    @torch.no_grad()
    def step(self, share: float) -> None:
        """Take one step at ``share`` of the recipe's learning rate."""
        self.others.step(share)
        rate = self.learning_rate * share
        for group, momentum, update in zip(self.stacked, self.momentum, self.update, strict=True):
            gradient = group.weights.grad
            assert gradient is not None
            momentum.lerp_(gradient, 1 - MOMENTUM)
            torch.lerp(gradient, momentum, MOMENTUM, out=update)  # Nesterov's
            group.weights.mul_(1 - rate * self.weight_decay)
        for stacks in self.by_side:
            factors = orthogonalising_factors([stack.update for stack in stacks])
            for stack, factor in zip(stacks, factors, strict=True):
                stack.weights.baddbmm_(factor, stack.update, alpha=-rate * stack.size)

    def state(self) -> dict[str, Tensor]:
        """Return the momentum of the matrices and the moments of all else."""
        own = {f"momentum.{i}": momentum for i, momentum in enumerate(self.momentum)}
        return own | self.others.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what :meth:`state` returned."""
        for i, momentum in enumerate(self.momentum):
            if f"momentum.{i}" in state:
                momentum.copy_(state[f"momentum.{i}"])
        self.others.load(state)


def matrix_names(model: nn.Module) -> set[str]:
    """Return the names of the weights that are orthogonalised."""
    embeddings = _embeddings(model)
    return {
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim >= 2 and name not in embeddings and not _is_depthwise(parameter)
    }


def _embeddings(model: nn.Module) -> set[str]:
    modules = model.named_modules()
    return {f"{path}.weight" for path, m in modules if isinstance(m, nn.Embedding)}


def _is_depthwise(parameter: Tensor) -> bool:
    return parameter.ndim == 4 and parameter.shape[1] == 1


def _by_shorter_side(groups: Iterable[tuple[Group, Tensor]]) -> list[list[_Matrices]]:
    """Return views of all stacks, those with the same shorter side together."""
    found: dict[int, list[_Matrices]] = {}
    for group, update in groups:
        start = 0
        for n, rows, columns in group.stacks:
            window = slice(start, start + n * rows * columns)
            start = window.stop
            weights, step = (
                vector[window].view(n, rows, columns) for vector in (group.weights.data, update)
            )
            if rows > columns:
                weights, step = weights.mT, step.mT
            stack = _Matrices(weights, step, step_size(rows, columns))
            found.setdefault(min(rows, columns), []).append(stack)
    return list(found.values())
