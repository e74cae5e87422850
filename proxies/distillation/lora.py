"""LoRA: a network learns low-rank updates of its linear layers and convolutions (arXiv 2106.09685).

The updates are a part of the learner beside the network, which keeps its weights, its names and its
number of parameters. :func:`merged` gives the weights of the network that has learned them; a layer
with groups (a depthwise kernel) has none, and no weights are learned but the updates.

>>> net = nn.Sequential(nn.Linear(4, 4))
>>> holder = nn.ModuleDict({"unet": net})
>>> add(holder, net, rank=2, seed=0)
>>> [(name, tuple(p.shape)) for name, p in holder.lora.named_parameters()]
[('0:down.weight', (2, 4)), ('0:up.weight', (4, 2))]
"""

import copy
from functools import partial

import torch
from torch import Tensor, nn

from search_space.initialise import initialise

LORA = "lora"


class Update(nn.ModuleDict):
    """The two halves of every update, `PATH:down` and `PATH:up`, dots of the path as bars."""


def add(learner: nn.Module, network: nn.Module, rank: int, seed: int) -> None:
    """Freeze ``learner`` and add updates of rank ``rank`` to the layers of ``network``.

    They begin at zero. Weights come from ``seed``, one stream per name.
    """
    update = Update()
    with torch.random.fork_rng(devices=[]):  # weights come from a stream of their own
        for path, layer in _layers(network):
            down, up = _halves(layer, rank)
            update[f"{_key(path)}:down"], update[f"{_key(path)}:up"] = down, up
    initialise(update, seed)
    learner.requires_grad_(False)
    device = next(learner.parameters()).device
    learner.add_module(LORA, update.to(device))
    for path, layer in _layers(network):
        down, up = update[f"{_key(path)}:down"], update[f"{_key(path)}:up"]
        nn.init.zeros_(up.get_parameter("weight"))
        layer.register_forward_hook(partial(_hook, down, up))


def _hook(
    down: nn.Module, up: nn.Module, layer: nn.Module, given: tuple[Tensor, ...], out: Tensor
) -> Tensor:
    added: Tensor = up(down(given[0]))
    return out + added


def _layers(network: nn.Module) -> list[tuple[str, nn.Linear | nn.Conv2d]]:
    found = []
    for path, layer in network.named_modules():
        plain = isinstance(layer, nn.Conv2d) and layer.groups == 1
        if isinstance(layer, nn.Linear) or plain:
            assert isinstance(layer, nn.Linear | nn.Conv2d)
            found.append((path, layer))
    return found


def _key(path: str) -> str:
    return path.replace(".", "|")


def _halves(layer: nn.Linear | nn.Conv2d, rank: int) -> tuple[nn.Module, nn.Module]:
    if isinstance(layer, nn.Linear):
        down: nn.Module = nn.Linear(layer.in_features, rank, bias=False)
        return down, nn.Linear(rank, layer.out_features, bias=False)
    assert isinstance(layer.padding, tuple)
    padding = layer.padding[0]
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    down = nn.Conv2d(layer.in_channels, rank, kernel, stride, padding, bias=False)
    return down, nn.Conv2d(rank, layer.out_channels, 1, bias=False)


def plain(learner: nn.Module) -> nn.Module:
    """Return a copy of ``learner`` without updates, as it began."""
    found = copy.deepcopy(learner)
    if LORA in found._modules:
        del found._modules[LORA]
        for module in found.modules():
            own = [k for k, hook in module._forward_hooks.items() if _is_ours(hook)]
            for key in own:
                del module._forward_hooks[key]
    return found


def _is_ours(hook: object) -> bool:
    return isinstance(hook, partial) and hook.func is _hook


@torch.no_grad()
def merged(
    learner: nn.Module, state: dict[str, Tensor], network: str = "unet"
) -> dict[str, Tensor]:
    """Return ``state``, the learner's, with updates added to the weights of its ``network``.

    Without updates it is ``state`` itself; they are no part of the result.
    """
    if LORA not in learner._modules:
        return state
    out = {name: value for name, value in state.items() if not name.startswith(f"{LORA}.")}
    for path, _ in _layers(learner.get_submodule(network)):
        down, up = (state[f"{LORA}.{_key(path)}:{half}.weight"] for half in ("down", "up"))
        change = torch.einsum("or,r...->o...", up.flatten(1), down)
        name = f"{network}.{path}.weight"
        out[name] = state[name] + change
    return out
