"""Options of commands that train: the recipe, where it is not the default one.

>>> recipe_of(learning_rate=6e-3, beta2=0.95).betas
(0.9, 0.95)
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from proxies.recipe import Recipe

BatchOption = Annotated[int | None, typer.Option("--batch", help="Pictures per step.")]
LearningRateOption = Annotated[
    float | None, typer.Option("--learning-rate", help="After the warm-up.")
]
WarmUpOption = Annotated[
    int | None, typer.Option("--warm-up", help="Steps until the learning rate is reached.")
]
Beta2Option = Annotated[
    float | None, typer.Option("--beta2", help="Decay of Adam's average of squared gradients.")
]


def recipe_of(
    batch: int | None = None,
    learning_rate: float | None = None,
    warm_up: int | None = None,
    beta2: float | None = None,
) -> "Recipe":
    """Return the recipe with what was asked for in place of its own values.

    Raises :class:`WalkbenchError` for a value that no training could use.
    """
    from proxies.recipe import Recipe

    betas = None if beta2 is None else (Recipe.betas[0], beta2)
    asked: dict[str, Any] = {
        "batch": batch,
        "learning_rate": learning_rate,
        "warm_up": warm_up,
        "betas": betas,
    }
    return Recipe(**{name: value for name, value in asked.items() if value is not None})
