"""Sample grids on the way: what the averaged weights draw for the first validation captions.

The noise is the same every time, so the grids of a run show one picture growing clearer.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from proxies.data.dataset import to_bytes
from proxies.flow_matching import integrate
from proxies.samples import save_grid
from proxies.validation import NOISE_SEED, undisturbed

if TYPE_CHECKING:
    from proxies.bundle_training.trainer import BundleTrainer


def draw(trainer: "BundleTrainer", text: Tensor, labels: Tensor) -> Tensor:
    """Return pictures or latents (N, C, S, S) for text (N, T) or (N, T, W), with guidance."""
    spec, conditions = trainer.learner.spec, trainer.config.conditions
    device, run = trainer.hardware.device, trainer.config.run
    generator = torch.Generator().manual_seed(NOISE_SEED)
    side = spec.latent_size
    noise = torch.randn((len(text), spec.in_channels, side, side), generator=generator).to(device)
    empty = trainer.draws.empty.expand_as(text).to(device)
    given, classes = text.to(device), labels.to(device)
    none = torch.full_like(classes, max(0, spec.conditions.classes - 1))

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        with_text: Tensor = trainer.learner(x_t, t, given, classes)
        if conditions.guidance == 1:
            return with_text
        without: Tensor = trainer.learner(x_t, t, empty, none)
        return torch.lerp(without, with_text, conditions.guidance)

    with trainer.take.averaged(), undisturbed(trainer.learner), torch.no_grad():
        return integrate(predict, noise, run.sample_steps, trainer.config.flow.shift)


class Grids:
    """Saves a grid every ``sample_every`` steps and at the end; only of pixels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, trainer: "BundleTrainer") -> None:
        """Save the grid when it is time."""
        run = trainer.config.run
        due = run.sample_every and trainer.step % run.sample_every == 0
        if trainer.data.book is None or not run.sample_every:
            return
        if due or trainer.step == run.steps:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = trainer.validation
            count = min(run.samples, len(held))
            pictures = draw(trainer, held.text[:count], held.labels[:count])
            save_grid(self.folder / f"step-{trainer.step:08}.png", to_bytes(pictures))
