"""How a proxy trains and when it ends: `Recipe` and `Budget`.

>>> Recipe(batch=16).learning_rate == Recipe().learning_rate
True
>>> Budget(steps=100, seconds=60.0).share(steps=25, seconds=30.0)
0.5
"""

from dataclasses import dataclass

from search_space.errors import WalkbenchError


@dataclass(frozen=True)
class Recipe:
    """How a proxy trains. Losses compare only between runs of one recipe."""

    batch: int = 8
    learning_rate: float = 3e-3
    warm_up: int = 10  # steps
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0  # joint norm of the gradients
    by_width: bool = True  # learning rates follow the twin's width (proxies.learning_rate)
    ema_sigma: float = 0.10  # share of the run that the averaged weights reach back
    train_images: int = 4096
    validation_images: int = 256

    def __post_init__(self) -> None:
        for name in ("batch", "learning_rate", "clip", "train_images", "validation_images"):
            value = getattr(self, name)
            if not value > 0:
                raise WalkbenchError(f"{name} is {value}; a positive number is needed")
        if self.warm_up < 0:
            raise WalkbenchError(f"warm_up is {self.warm_up}; 0 or more steps are allowed")
        for name, value in zip(("beta1", "beta2"), self.betas, strict=True):
            if not 0 <= value < 1:
                raise WalkbenchError(f"{name} is {value}; 0 or more and less than 1 is allowed")


@dataclass(frozen=True)
class Budget:
    """When a run ends: after ``steps`` or after ``seconds`` of training, whichever comes first."""

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds is None:
            raise WalkbenchError("a proxy run needs a budget: give steps or seconds")
        for name, value in (("steps", self.steps), ("seconds", self.seconds)):
            if value is not None and not value > 0:
                raise WalkbenchError(f"{name} is {value}; a positive number is needed")

    def share(self, steps: int, seconds: float) -> float:
        """Return which share of the budget is spent, 0 to 1."""
        shares = [
            done / allowed
            for done, allowed in ((steps, self.steps), (seconds, self.seconds))
            if allowed is not None
        ]
        return min(1.0, max(shares))
