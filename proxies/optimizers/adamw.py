"""AdamW over flat weights, one group per learning-rate multiplier (torch's fused implementation).

>>> from proxies.recipe import Recipe
>>> net = nn.Linear(3, 2)
>>> adamw = AdamW(Recipe(), net, {"weight": 0.5, "bias": 1.0})
>>> [group.multiplier for group in adamw.flat.groups]
[0.5, 1.0]
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from proxies.flat import FlatParameters
from proxies.recipe import Recipe

MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class AdamW:
    """See :class:`proxies.optimizers.protocol.Optimizer`."""

    def __init__(self, recipe: Recipe, model: nn.Module, multipliers: Mapping[str, float]) -> None:
        self.flat = FlatParameters(model, multipliers.__getitem__)
        self.learning_rate = recipe.learning_rate
        self.adam = torch.optim.AdamW(
            [{"params": [g.weights], "multiplier": g.multiplier} for g in self.flat.groups],
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
            for i, weights in enumerate(self.flat.weights)
            if weights in self.adam.state
            for name in MOMENTS
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over the moments of every vector that ``state`` has."""
        for i, weights in enumerate(self.flat.weights):
            if f"step.{i}" in state:
                self.adam.state[weights] = {
                    name: state[f"{name}.{i}"].to(weights.device) for name in MOMENTS
                }
