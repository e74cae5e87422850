"""AdamW over flat weights, one group per learning-rate multiplier (torch's fused implementation).

>>> from proxies.recipe import Recipe
>>> net = nn.Linear(3, 2)
>>> adamw = AdamW(Recipe(), net, {"weight": 0.5, "bias": 1.0})
>>> [group.multiplier for group in adamw.flat.groups]
[0.5, 1.0]
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from proxies.flat import FlatParameters, Group
from proxies.recipe import Recipe

MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class AdamW:
    """See :class:`proxies.optimizers.protocol.Optimizer`."""

    def __init__(self, recipe: Recipe, model: nn.Module, multipliers: Mapping[str, float]) -> None:
        self.flat = FlatParameters(model, multipliers.__getitem__)
        self.vectors = AdamWVectors(recipe, self.flat.groups)

    def step(self, share: float) -> None:
        """Take one step; each group's rate is the recipe's times its multiplier and ``share``."""
        self.vectors.step(share)

    def state(self) -> dict[str, Tensor]:
        """Return the moments of every vector; none before the first step."""
        return self.vectors.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over the moments of every vector that ``state`` has."""
        self.vectors.load(state)


class AdamWVectors:
    """AdamW on some groups of a module's weights."""

    def __init__(self, recipe: Recipe, groups: Sequence[Group]) -> None:
        self.learning_rate = recipe.learning_rate
        self.weights = [group.weights for group in groups]
        self.adam = torch.optim.AdamW(
            [{"params": [g.weights], "multiplier": g.multiplier} for g in groups],
            lr=recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
            fused=True,
        )

    def step(self, share: float) -> None:
        """Take one step; each group's rate is the recipe's times its multiplier and ``share``."""
        for group in self.adam.param_groups:
            group["lr"] = self.learning_rate * group["multiplier"] * share
        self.adam.step()

    def state(self) -> dict[str, Tensor]:
        """Return the moments of every vector; none before the first step."""
        return {
            f"{name}.{i}": self.adam.state[weights][name]
            for i, weights in enumerate(self.weights)
            if weights in self.adam.state
            for name in MOMENTS
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over the moments of every vector that ``state`` has."""
        for i, weights in enumerate(self.weights):
            if f"step.{i}" in state:
                self.adam.state[weights] = {
                    name: state[f"{name}.{i}"].to(weights.device) for name in MOMENTS
                }
