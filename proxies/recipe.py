"""How a proxy trains and when it ends: `Recipe` and `Budget`.

>>> Recipe(batch=16).learning_rate == Recipe().learning_rate
True
>>> [round(Recipe(cooldown=0.25, warm_up=0).rate_share(n, n / 8), 2) for n in (0, 6, 7)]
[1.0, 1.0, 0.5]
>>> Budget(steps=100, seconds=60.0).share(steps=25, seconds=30.0)
0.5
"""

from dataclasses import dataclass

from proxies.objectives import OBJECTIVES, FlowMatching, TrainingObjective
from proxies.optimizers import OPTIMIZERS
from proxies.setting import check, setting
from search_space.errors import WalkbenchError


@dataclass(frozen=True)
class Recipe:
    """How a proxy trains. Losses compare only between runs of one recipe.

    A field that is added needs ``absent``, the value that older recipes had in effect
    (:func:`proxies.setting.setting`): their files keep loading and their digests stay.
    """

    batch: int = setting(8, help="Pictures per step.", least=1)
    learning_rate: float = setting(3e-3, help="Learning rate after the warm-up.", above=0)
    warm_up: int = setting(10, help="Steps until the learning rate is reached.", least=0)
    betas: tuple[float, float] = setting(
        (0.9, 0.99),
        parts={
            "beta1": "Decay of Adam's average of gradients.",
            "beta2": "Decay of Adam's average of squared gradients.",
        },
        least=0,
        below=1,
    )
    weight_decay: float = setting(0.0, help="Decay of all weights, times the rate.", least=0)
    clip: float = setting(1.0, help="Limit of the joint norm of the gradients.", above=0)
    by_width: bool = setting(True, help="Scale learning rates with the twin's width.")
    ema_sigma: float = setting(
        0.10, help="Share of the run that the averaged weights reach back.", above=0, below=1
    )
    train_images: int = setting(4096, help="Training pictures made from the seed.", least=1)
    validation_images: int = setting(256, help="Validation pictures.", least=1)
    objective: TrainingObjective = setting(
        FlowMatching(),
        help="Training method.",
        absent=FlowMatching(),
        union=OBJECTIVES,
    )
    optimizer: str = setting("adamw", help="Optimizer.", choices=OPTIMIZERS.names, absent="adamw")
    cooldown: float = setting(
        0.0,
        help="Share of the budget at its end in which the learning rate falls to zero.",
        least=0,
        below=1,
        absent=0.0,
    )

    def __post_init__(self) -> None:
        check(self)

    def rate_share(self, step: int, spent: float) -> float:
        """Return which share of the learning rate step ``step`` (from 0) has.

        ``spent`` is the share of the budget that is spent before it.
        """
        warm = min(1.0, (step + 1) / max(1, self.warm_up))
        return warm if not self.cooldown else warm * min(1.0, (1 - spent) / self.cooldown)


@dataclass(frozen=True)
class Budget:
    """When a run ends: after ``steps`` or after ``seconds`` of training, whichever comes first."""

    steps: int | None = setting(
        None, help="Training steps: the same result on every machine.", least=1
    )
    seconds: float | None = setting(None, help="Seconds of training.", above=0)

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds is None:
            raise WalkbenchError("a proxy run needs a budget: give steps or seconds")
        check(self)

    def share(self, steps: int, seconds: float) -> float:
        """Return which share of the budget is spent, 0 to 1."""
        shares = [
            done / allowed
            for done, allowed in ((steps, self.steps), (seconds, self.seconds))
            if allowed is not None
        ]
        return min(1.0, max(shares))
