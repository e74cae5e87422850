"""`initialise(model, seed)`: random weights that depend only on the seed and parameter names.

torch draws all weights from one stream, so an added layer changes every weight after it, and two
candidates that share most parameters start from unrelated values. Here each parameter has its own
stream, seeded by a stable hash of its name: parameters that two networks share start equal, on
every machine and in any order.

>>> first = initialise(nn.Sequential(nn.Linear(2, 3)), seed=0)
>>> longer = initialise(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), seed=0)
>>> torch.equal(first[0].weight, longer[0].weight)
True
"""

import hashlib
import math
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def stream(seed: int, name: str) -> torch.Generator:
    """Return the CPU generator that belongs to ``name`` under ``seed``."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))


@torch.no_grad()
def initialise(model: M, seed: int) -> M:
    """Overwrite all parameters of ``model`` and return it.

    Weights of convolutions and linear layers are uniform within ±1/√fan_in (torch's own choice),
    embeddings standard normal, scales of norms one, biases zero. Drawn in float32 on the CPU, so
    device and dtype of the model change nothing but the rounding.
    """
    parameters = dict(model.named_parameters())
    for path, values in draws(model, seed):
        parameters[path].copy_(values)
    return model


def draws(model: nn.Module, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Yield each parameter's name and the value :func:`initialise` gives it, one at a time.

    ``model`` may be on `meta`, so that a network of any size can be written without being held.
    """
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            path = f"{prefix}.{name}" if prefix else name
            yield path, _draw(module, name, parameter.shape, stream(seed, path))


def _draw(module: nn.Module, name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    if isinstance(module, nn.Embedding):
        return torch.randn(shape, generator=generator, dtype=torch.float32)
    if name == "bias":
        return torch.zeros(shape)
    if len(shape) == 1:
        return torch.ones(shape)
    bound = 1 / math.sqrt(math.prod(shape[1:]))
    return (torch.rand(shape, generator=generator, dtype=torch.float32) * 2 - 1) * bound
