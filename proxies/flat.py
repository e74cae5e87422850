"""A network's weights as views of a few long vectors, so that a training step handles few tensors.

A twin has about a thousand small parameters; clipping, AdamW and the moving average would each walk
over all of them in every step. Here parameters and their gradients become views of one vector per
group. Groups gather parameters that share a learning-rate multiplier. Convolution weights keep
their channels-last memory inside the vector.

>>> from torch import nn
>>> net = nn.Linear(3, 2)
>>> flat = FlatParameters(net, lambda name: 1.0)
>>> [(round(group.multiplier, 1), group.weights.numel()) for group in flat.groups]
[(1.0, 8)]
>>> net(torch.ones(1, 3)).sum().backward()
>>> flat.groups[0].weights.grad.tolist()
[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Group:
    """Parameters that share a learning-rate multiplier, end to end in ``weights``, (N,).

    In a group of matrices equal shapes lie together: ``stacks`` has (n, rows, columns) of each run
    of them in order, so that ``weights`` is a sequence of such arrays. Columns of a convolution
    kernel are places first, channels last. Other groups have no stacks.
    """

    multiplier: float
    weights: nn.Parameter
    names: tuple[str, ...]
    stacks: tuple[tuple[int, int, int], ...] = ()


class FlatParameters:
    """Moves the parameters of ``model`` into one vector per multiplier; the model keeps views.

    Frozen ones stay where they are.

    ``multiplier(name)`` says by how much a parameter's learning rate differs. Parameters for which
    ``stacked(name)`` holds lie in groups of their own, by shape. Otherwise the order of groups and
    parameters is that of the model.
    """

    def __init__(
        self,
        model: nn.Module,
        multiplier: Callable[[str], float],
        stacked: Callable[[str], bool] = lambda name: False,
    ):
        members: dict[tuple[float, bool], list[tuple[str, nn.Parameter]]] = {}
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            members.setdefault((multiplier(name), stacked(name)), []).append((name, parameter))
        self.groups = [
            _gather_stacks(factor, group) if stacks else _gather(factor, group)
            for (factor, stacks), group in members.items()
        ]

    @property
    def weights(self) -> list[nn.Parameter]:
        """The long vectors, one per group."""
        return [group.weights for group in self.groups]

    def zero_gradients(self) -> None:
        """Set all gradients to zero in place, so that the views stay views."""
        for weights in self.weights:
            assert weights.grad is not None
            weights.grad.zero_()

    def clip_gradients(self, limit: float) -> None:
        """Scale the gradients down to a joint norm of at most ``limit``."""
        gradients = [weights.grad for weights in self.weights if weights.grad is not None]
        norm = torch.stack([torch.linalg.vector_norm(g) for g in gradients]).norm()
        factor = (limit / (norm + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factor)

    def copy_in(self, values: list[Tensor]) -> None:
        """Overwrite the weights, and with them the model's parameters."""
        with torch.no_grad():
            for weights, value in zip(self.weights, values, strict=True):
                weights.copy_(value)


def _gather_stacks(multiplier: float, members: list[tuple[str, nn.Parameter]]) -> Group:
    by_shape: dict[tuple[int, int], list[tuple[str, nn.Parameter]]] = {}
    for name, parameter in members:
        rows, columns = parameter.flatten(1).shape
        by_shape.setdefault((rows, columns), []).append((name, parameter))
    group = _gather(multiplier, [member for alike in by_shape.values() for member in alike])
    stacks = tuple((len(alike), *shape) for shape, alike in by_shape.items())
    return replace(group, stacks=stacks)


@torch.no_grad()
def _gather(multiplier: float, members: list[tuple[str, nn.Parameter]]) -> Group:
    total = sum(parameter.numel() for _, parameter in members)
    first = members[0][1]
    weights = nn.Parameter(torch.empty(total, dtype=first.dtype, device=first.device))
    weights.grad = torch.zeros_like(weights)
    start = 0
    for _, parameter in members:
        window = slice(start, start + parameter.numel())
        view = _shaped(weights.data[window], parameter.shape)
        view.copy_(parameter)
        parameter.data = view
        parameter.grad = _shaped(weights.grad[window], parameter.shape)
        start = window.stop
    return Group(multiplier, weights, tuple(name for name, _ in members))


def _shaped(vector: Tensor, shape: torch.Size) -> Tensor:
    """View a vector as a parameter: channels last for convolutions, row by row for the rest."""
    if len(shape) != 4:
        return vector.view(shape)
    out_channels, in_channels, height, width = shape
    return vector.view(out_channels, height, width, in_channels).permute(0, 3, 1, 2)
