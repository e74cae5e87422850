"""The golden loss curves: short runs whose every training and validation loss is on record.

They hold the training step in place. Without gradient clipping, the warm-up, the betas, weight
decay or a single update of the averaged weights, losses differ by far more than :data:`TOLERANCE`,
which is a hundred times the effect of another CPU's instruction set. Only a change of the recipe
itself is a reason to record them again:

    python -m tests.proxies.golden
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from proxies.recipe import Budget, Recipe
from proxies.recipes import FAIR
from proxies.threads import cpu_threads
from proxies.trainer import Trainer
from tests.proxies.small import made

RECORD = Path(__file__).with_name("golden_curves.json")
STEPS = 16
VALIDATED = (1, 2, 3, 6, 9, 12, 16)  # the average forgets its first updates: it is read early too
TOLERANCE = 1e-4  # relative
FEW = {"batch": 4, "train_images": 64, "validation_images": 32}
RECIPES = {
    "default": Recipe(**FEW),
    "fair": dataclasses.replace(FAIR, **FEW, warm_up=5),
    "every part matters": Recipe(**FEW, warm_up=5, betas=(0.9, 0.95), weight_decay=0.3, clip=0.2),
}


def losses(recipe: Recipe, each_step: Callable[[Trainer], None] | None = None) -> list[float]:
    """Return the loss of every step, then those of the averaged weights after ``VALIDATED``."""
    training, validation = list[float](), list[float]()
    with cpu_threads(1):
        trainer = made(width=8, recipe=recipe, steps=STEPS)
        while trainer.step < STEPS:
            trainer.advance(Budget(steps=trainer.step + 1))
            if each_step is not None:
                each_step(trainer)
            training.append(trainer.loss)
            if trainer.step in VALIDATED:
                validation.append(trainer.score().value)
    return training + validation


def main() -> None:
    """Record the curves of the code as it is."""
    found = {name: losses(recipe) for name, recipe in RECIPES.items()}
    RECORD.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
