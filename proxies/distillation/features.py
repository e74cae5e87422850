"""Feature maps inside a network: which layers it has, and what they leave in a forward pass.

Layers are named as submodules: the steps of a plan that hand on the feature map (`mid.stack0`), or
the blocks of a transformer (`transformer_blocks.3`), whose tokens become a map.

>>> from search_space.presets import named_spec
>>> layers_of(named_spec("sd15").plan())[-1], last_transformer(named_spec("sd15").plan())
('up0.stack2', 'up0.stack2')
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from search_space.blocks import TransformerStack
from search_space.errors import WalkbenchError
from search_space.plan import Plan


def layers_of(plan: Plan) -> tuple[str, ...]:
    """Return the steps of ``plan`` that leave a feature map, in forward order."""
    steps = [path for path, step in plan.steps() if step.leaves == "x"]
    return tuple(path for path in steps if not path.startswith("output."))


def last_transformer(plan: Plan) -> str | None:
    """Return the last step with transformer layers; None for a network that has none."""
    stacks = [path for path, step in plan.steps() if isinstance(step.block, TransformerStack)]
    return stacks[-1] if stacks else None


def chosen_layer(whose: str, given: str | None, last: str | None, known: Sequence[str]) -> str:
    """Return the layer ``given``, else the last one with transformer layers.

    Raises :class:`WalkbenchError` that lists the layers of ``whose`` where there is none such.
    """
    layer = last if given is None else given
    if layer is None or layer not in known:
        problem = (
            f"the {whose} has no transformer layer to take features from"
            if layer is None
            else f"the {whose} has no layer {layer!r}"
        )
        key = f"{whose}_layer"
        raise WalkbenchError(f"{problem}; set {key} to one of {', '.join(known) or 'none'}")
    return layer


class Capture:
    """Keeps what the submodules ``layers`` of ``root`` leave, until it is taken."""

    def __init__(self, root: nn.Module, layers: Sequence[str]) -> None:
        self.layers = tuple(layers)
        self._found: dict[str, Any] = {}
        for layer in self.layers:
            root.get_submodule(layer).register_forward_hook(partial(self._keep, layer))

    def _keep(self, layer: str, module: nn.Module, given: object, out: Any) -> None:
        self._found[layer] = out

    def take(self, like: Tensor) -> dict[str, Tensor]:
        """Return the maps (B, D, h, w) of the last forward pass on ``like``, (B, C, H, W)."""
        found, self._found = self._found, {}
        return {layer: as_map(found[layer], like) for layer in self.layers}


def as_map(out: Any, like: Tensor) -> Tensor:
    """Return a layer's output as a map (B, D, h, w); tokens (B, N, D) lie as on ``like``.

    Of several outputs it is the last: diffusers' joint blocks return text, then picture.
    """
    found: Tensor = out[-1] if isinstance(out, tuple) else out
    if found.ndim == 4:
        return found
    count, (height, width) = found.shape[1], like.shape[-2:]
    rows = round((count * height / width) ** 0.5)
    if rows * (count // rows) != count:
        raise WalkbenchError(f"{count} tokens are no map of a picture of {height}×{width}")
    return found.transpose(1, 2).reshape(len(found), -1, rows, count // rows)


def normalised(features: Tensor) -> Tensor:
    """Return a map with mean 0 and variance 1 over the channels of each place."""
    return F.layer_norm(features.movedim(1, -1), features.shape[1:2]).movedim(-1, 1)


def resized(features: Tensor, like: Tensor) -> Tensor:
    """Return a map (B, D, h, w) with the places of ``like``."""
    if features.shape[-2:] == like.shape[-2:]:
        return features
    return F.interpolate(features, like.shape[-2:], mode="bilinear", align_corners=False)
