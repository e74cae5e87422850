"""What a trained twin tells about pictures in few steps and with weights of few bits.

After training, two errors are measured for every number of steps and of bits that a study may
choose, so that all pictures with one UNet share one training run:

- drawing with n Euler steps: the mean squared difference of pictures, from -1 to 1, from those of
  :data:`REFERENCE` steps, of the same noise and captions;
- storing weights at b bits: what the validation loss rises by when every matrix of the twin is
  replaced by a palette of 2^b values, as packages for phones do.

>>> errors = TwinErrors(steps=(4,), bits=(16, 4))
>>> errors.steps, errors.bits
((4,), (16, 4))
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from latency_db.packages.palettise import palette
from proxies.samples import draw_samples
from proxies.score import Score
from proxies.score_parts import PictureErrors
from proxies.trainer import Trainer

REFERENCE = 32  # steps that more of would change little
PICTURES = 16
FULL = 16  # bits of weights that nothing was done to


class TwinErrors:
    """Measures a trained twin at ``steps`` and ``bits``, and adds what it found to the score."""

    def __init__(self, steps: Sequence[int], bits: Sequence[int]) -> None:
        self.steps, self.bits = tuple(steps), tuple(bits)
        self._found: PictureErrors | None = None

    def measure(self, trainer: Trainer) -> None:
        """Measure ``trainer``, at the end of its run; a run that has failed is left alone.

        Raises :class:`WalkbenchError` for twins of latents, which draw no pictures.
        """
        self._found = None
        if not trainer.failed:
            self._found = PictureErrors(self._of_steps(trainer), self._of_bits(trainer))

    def added_to(self, score: Score) -> Score:
        """Return ``score`` with what was measured last, once."""
        found, self._found = self._found, None
        return score if found is None else replace(score, picture=found)

    def _of_steps(self, trainer: Trainer) -> tuple[tuple[int, float, float], ...]:
        best = _drawn(trainer, REFERENCE)
        found = []
        for steps in self.steps:
            squares = np.square(_drawn(trainer, steps) - best).mean(axis=(1, 2, 3))
            found.append((steps, *_mean(squares)))
        return tuple(found)

    def _of_bits(self, trainer: Trainer) -> tuple[tuple[int, float, float], ...]:
        found = []
        with trainer.averaged() as learner, trainer.hardware.validating():
            kept = {name: p.detach().clone() for name, p in learner.named_parameters()}
            full = np.array(trainer.loss_function.validation(learner))
            for bits in self.bits:
                change = np.zeros(len(full))
                if bits < FULL:
                    _palettise(learner, bits)
                    change = np.array(trainer.loss_function.validation(learner)) - full
                    _restore(learner, kept)
                found.append((bits, *_mean(change)))
        return tuple(found)


def _drawn(trainer: Trainer, steps: int) -> NDArray[np.float64]:
    """Return pictures (N, S, S, 3) from -1 to 1."""
    images = draw_samples(trainer, PICTURES, steps=steps).images
    return images.astype(np.float64) / 127.5 - 1.0


def _mean(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


@torch.no_grad()
def _palettise(learner: torch.nn.Module, bits: int) -> None:
    for parameter in learner.parameters():
        if parameter.ndim > 1 and parameter.numel() > 2**bits:
            values = parameter.detach().cpu().numpy().astype(np.float16)
            table, indices = palette(values, bits)
            near = torch.from_numpy(table[indices].astype(np.float32)).reshape(parameter.shape)
            parameter.copy_(near)


@torch.no_grad()
def _restore(learner: torch.nn.Module, kept: dict[str, torch.Tensor]) -> None:
    for name, parameter in learner.named_parameters():
        parameter.copy_(kept[name])
