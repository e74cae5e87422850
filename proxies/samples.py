"""Pictures that a trained twin draws, at noise and prompts that all candidates share.

A loss says little to the eye; a grid drawn from the same noise and the same prompts for every
design does. The grid shows what the averaged weights make of the first validation prompts.

>>> import numpy as np
>>> grid(np.zeros((6, 24, 24, 3), dtype=np.uint8), columns=3, gap=2).shape
(54, 80, 3)
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxies.data.dataset import Captioned, drawn_at, examples, shapes, to_bytes
from proxies.data.prompts import Example
from proxies.data.scene_data import scene_examples, scene_pictures
from proxies.data.scenes import TASKS, task_named
from proxies.flow_matching import Velocity, integrate
from proxies.memory import largest_that_fits
from proxies.trainer import Trainer
from proxies.validation import NOISE_SEED, undisturbed
from search_space.atomic import atomic_write
from search_space.errors import WalkbenchError

STEPS = 24  # Euler steps: more change little at the quality that short runs reach
BATCH = 32

Sampler = Callable[[Velocity, Tensor, int, torch.Generator], Tensor]


@dataclass(frozen=True, eq=False)
class Samples:
    """Drawn pictures (N, S, S, 3), and the prompts they were drawn for with real scenes of them."""

    images: NDArray[np.uint8]
    examples: tuple[Example, ...]
    split: str = "validation"  # of the prompts
    fills: tuple[str, ...] = ("solid",)  # that things may have


def draw_samples(
    trainer: Trainer,
    count: int = 32,
    split: str = "validation",
    steps: int = STEPS,
    progress: Callable[[int], None] | None = None,
    sampler: Sampler | None = None,
) -> Samples:
    """Return what the averaged weights draw for the first ``count`` prompts of ``split``.

    A larger ``count`` starts with the same pictures. Twins of pictures other than shapes and scenes
    draw for the captions they are validated on, as many as there are, and the result has no
    ``examples``. ``progress`` is told how many are drawn; weights and mode of ``trainer`` are left
    as they were. ``sampler`` takes the place of Euler steps, with a generator for more noise
    (:func:`proxies.distillation.sampler.renoised`). Where memory is short, fewer are drawn at once.
    Raises :class:`WalkbenchError` when not even one can be, and for latents, which are no pictures.
    """
    text, labels, wanted, fills = _prompts(trainer, count, split)
    count, size = len(labels), trainer.settings.latent
    device, generator = trainer.hardware.device, torch.Generator().manual_seed(NOISE_SEED)
    noise = torch.randn((count, 3, size, size), generator=generator)
    drawn: list[NDArray[np.uint8]] = []

    def sample(predict: Velocity, noise: Tensor, steps: int) -> Tensor:
        if sampler is None:
            return integrate(predict, noise, steps)
        return sampler(predict, noise, steps, generator)

    def attempt(batch: int) -> None:
        drawn.clear()
        for start in range(0, count, batch):
            window = slice(start, start + batch)
            words, classes = (x[window].to(device) for x in (text, labels))

            def predict(
                x_t: Tensor, t: Tensor, words: Tensor = words, classes: Tensor = classes
            ) -> Tensor:
                out: Tensor = learner(x_t, t, words, classes)
                return out

            drawn.append(to_bytes(sample(predict, noise[window].to(device), steps)))
            if progress is not None:
                progress(min(start + batch, count))

    with trainer.averaged() as learner, undisturbed(learner), torch.no_grad():
        fits = largest_that_fits(attempt, BATCH)
    if not fits:
        raise WalkbenchError(
            f"{device} has too little memory to draw one picture of {size} pixels; use a "
            "smaller width or latent"
        )
    return Samples(np.concatenate(drawn), wanted, split, fills)


def _prompts(
    trainer: Trainer, count: int, split: str
) -> tuple[Tensor, Tensor, tuple[Example, ...], tuple[str, ...]]:
    """Return text and labels of ``count`` prompts, (N, T) and (N,).

    With examples and fills of pictures that the checker can read.
    """
    data, size = trainer.data, trainer.settings.latent
    made: Captioned | None = None
    asked: tuple[Example, ...] = ()
    fills: tuple[str, ...] = ("solid",)
    if data.name == "shapes":
        made = shapes(split, count, size)
        asked = examples(split, count, drawn_at(size))
    elif task := task_named(data.name):
        made = scene_pictures(task, split, count, size)
        asked = scene_examples(task, split, count, drawn_at(size, TASKS[task].least))
        fills = TASKS[task].fills
    if made is not None:
        return torch.from_numpy(made.tokens), torch.from_numpy(made.labels), asked, fills
    if data.text_width or data.channels != 3:
        raise WalkbenchError(
            f"{data.name!r} are latents, which need their VAE to be seen; leave samples out"
        )
    return trainer.validation.text[:count], trainer.validation.labels[:count], (), fills


def real_samples(count: int, size: int, start: int = 0) -> Samples:
    """Return ``count`` real validation pictures from prompt ``start`` on, with their prompts.

    With ``start`` 0 they belong to the prompts that :func:`draw_samples` draws for.
    """
    rows = slice(start, start + count)
    real = shapes("validation", start + count, size).images[rows]
    return Samples(real, examples("validation", start + count, size)[rows])


def grid(
    images: NDArray[np.uint8], columns: int = 8, gap: int = 2, level: int = 255
) -> NDArray[np.uint8]:
    """Return pictures (N, S, S, 3) side by side, ``gap`` pixels of grey ``level`` around each."""
    size, rows = images.shape[1], -(-len(images) // columns)
    step = size + gap
    out = np.full((rows * step + gap, columns * step + gap, 3), level, dtype=np.uint8)
    for i, image in enumerate(images):
        y, x = gap + i // columns * step, gap + i % columns * step
        out[y : y + size, x : x + size] = image
    return out


def writable_png(path: Path) -> Path:
    """Return ``path``; raises :class:`WalkbenchError` where no PNG can be written."""
    if path.suffix.lower() != ".png":
        raise WalkbenchError(f"samples file {str(path)!r} is not a .png; name one that is")
    if not path.parent.is_dir():
        raise WalkbenchError(f"folder {str(path.parent)!r} does not exist; make it first")
    new = not path.exists()
    try:
        with path.open("ab"):
            pass
        if new:
            path.unlink()
    except OSError as error:
        raise WalkbenchError(
            f"samples file {str(path)!r}: {error.strerror}; name a writable file"
        ) from None
    return path


def save_grid(path: Path, images: NDArray[np.uint8], columns: int = 8, zoom: int = 3) -> None:
    """Write the grid of ``images`` as PNG, each pixel ``zoom`` pixels wide."""
    from PIL import Image

    pixels = grid(images, columns).repeat(zoom, axis=0).repeat(zoom, axis=1)
    with atomic_write(writable_png(path)) as partial:
        Image.fromarray(pixels).save(partial, format="PNG")
