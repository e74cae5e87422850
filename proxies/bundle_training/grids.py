"""Sample grids on the way: what the averaged weights draw.

UNets draw for the first validation captions, from the same noise every time, so the grids of a run
show one picture growing clearer. Decoders show validation pictures, each beside its reconstruction.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxies.bundle_training.pictures import PictureTask
from proxies.bundle_training.task import VelocityTask
from proxies.data.dataset import to_bytes
from proxies.flow_matching import integrate
from proxies.samples import save_grid
from proxies.validation import NOISE_SEED, undisturbed

if TYPE_CHECKING:
    from proxies.bundle_training.trainer import BundleTrainer

SHOWN = 96  # pixels that a picture of a grid is at least wide


def draw(task: VelocityTask, text: Tensor, labels: Tensor) -> Tensor:
    """Return pictures or latents (N, C, S, S) for text (N, T) or (N, T, W), with guidance."""
    spec, conditions = task.learner.spec, task.config.conditions
    device, run = task.hardware.device, task.config.run
    generator = torch.Generator().manual_seed(NOISE_SEED)
    side = spec.latent_size
    noise = torch.randn((len(text), spec.in_channels, side, side), generator=generator).to(device)
    empty = task.empty.expand_as(text).to(device)
    given, classes = text.to(device), labels.to(device)
    none = torch.full_like(classes, max(0, spec.conditions.classes - 1))

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        with_text: Tensor = task.learner(x_t, t, given, classes)
        if conditions.guidance == 1:
            return with_text
        without: Tensor = task.learner(x_t, t, empty, none)
        return torch.lerp(without, with_text, conditions.guidance)

    with undisturbed(task.learner), torch.no_grad():
        return integrate(predict, noise, run.sample_steps, task.config.flow.shift)


class Grids:
    """Saves a grid every ``sample_every`` steps and at the end; of latents there is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, trainer: "BundleTrainer") -> None:
        """Save the grid when it is time."""
        run = trainer.config.run
        if not run.sample_every:
            return
        if trainer.step % run.sample_every == 0 or trainer.step == run.steps:
            with trainer.take.averaged():
                pictures = _pictures(trainer)
            if pictures is not None:
                self.folder.mkdir(parents=True, exist_ok=True)
                path = self.folder / f"step-{trainer.step:08}.png"
                save_grid(path, pictures, zoom=max(1, -(-SHOWN // pictures.shape[1])))


def _pictures(trainer: "BundleTrainer") -> NDArray[np.uint8] | None:
    """Return the pictures of a grid, (N, S, S, 3)."""
    task, count = trainer.task, trainer.config.run.samples
    if isinstance(task, PictureTask):
        return task.samples(count)
    assert isinstance(task, VelocityTask)
    if task.data.book is None:
        return None
    held = task.validation
    return to_bytes(draw(task, held.text[:count], held.labels[:count]))
