"""The validation loss: every candidate sees the same pictures, captions, noise and timesteps.

Differences between neighbouring designs are around one percent, less than the spread of a loss over
noise and timesteps; with common random numbers that spread is the same for all and cancels. The
timesteps are the middles of equal shares of the training distribution, so the mean estimates the
training objective itself, and neighbours in the list make the buckets.

>>> validation = validation_set(size=24, count=16)
>>> validation.times[:2].tolist() < validation.times[-2:].tolist()
True
>>> again = validation_set(size=24, count=16)
>>> torch.equal(validation.noise, again.noise)
True
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from proxies.data.dataset import shapes
from proxies.data.training_data import TrainingData
from proxies.flow_matching import Moments, interpolate, quantiles, sample_losses, velocity
from proxies.memory import largest_that_fits
from search_space.errors import WalkbenchError

NOISE_SEED = 20_241_209  # arbitrary and fixed: every candidate, seed and machine uses it
BUCKETS = 8
BATCH = 32


@dataclass(frozen=True, eq=False)
class ValidationSet:
    """Pictures or latents (N, C, S, S), text (N, T) or (N, T, W), labels, noise, times (N,)."""

    pictures: Tensor
    text: Tensor
    labels: Tensor
    noise: Tensor
    times: Tensor

    def __len__(self) -> int:
        return len(self.times)

    def loss_of_guess(self, moments: Moments) -> float:
        """Return the loss of the best linear guess: what every candidate starts from."""
        x_t = interpolate(self.pictures, self.noise, self.times)
        guess = moments.guess(x_t, self.times)
        return sample_losses(guess, velocity(self.pictures, self.noise)).mean().item()


def validation_set(size: int, count: int = 256, data: TrainingData | None = None) -> ValidationSet:
    """Return ``count`` validation samples at ``size`` pixels, of ``data`` or of the shapes.

    More samples than that are thinned evenly: data in the order of its names may show one thing
    after the other.
    """
    data = shapes("validation", count, size) if data is None else data
    used = min(count, len(data))
    x0, text, labels = data.batch(torch.arange(used) * len(data) // used)
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(NOISE_SEED))
    return ValidationSet(x0, text, labels, noise, quantiles(used))


@torch.no_grad()
def validation_losses(
    model: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor], validation: ValidationSet
) -> list[float]:
    """Return the loss of each sample; ``model(x_t, t, text, labels)`` predicts velocities.

    A module is switched to evaluation for the while; its mode and the random state are restored.
    Where memory is short, fewer samples pass at once; raises :class:`WalkbenchError` when not even
    one does.
    """
    losses: list[float] = []

    def attempt(size: int) -> None:
        losses[:] = _losses(model, validation, size)

    with undisturbed(model):
        if not largest_that_fits(attempt, BATCH):
            raise WalkbenchError(
                f"{_device_of(model)} has too little memory to validate a single sample; use a "
                "smaller width or latent"
            )
    return losses


def _losses(
    model: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor], validation: ValidationSet, size: int
) -> list[float]:
    """Return the loss of each sample, ``size`` of them at once."""
    device, losses = _device_of(model), list[float]()
    for start in range(0, len(validation), size):
        window = slice(start, start + size)
        x0, noise, t = (
            tensor[window].to(device)
            for tensor in (validation.pictures, validation.noise, validation.times)
        )
        text, labels = validation.text[window], validation.labels[window]
        x_t = interpolate(x0, noise, t).contiguous(memory_format=torch.channels_last)
        predicted = model(x_t, t, text.to(device), labels.to(device))
        losses += sample_losses(predicted, velocity(x0, noise)).tolist()
    return losses


def bucket_means(losses: list[float], buckets: int = BUCKETS) -> tuple[float, ...]:
    """Return mean losses of equal shares of the samples, from pictures to noise."""
    edges = [round(i * len(losses) / buckets) for i in range(buckets + 1)]
    parts = (losses[a:b] for a, b in itertools.pairwise(edges))
    return tuple(sum(part) / len(part) for part in parts if part)


def _device_of(model: object) -> torch.device:
    if isinstance(model, nn.Module):
        return next(model.parameters()).device
    return torch.device("cpu")


@contextmanager
def undisturbed(model: object) -> Iterator[None]:
    """Evaluate without dropout and leave mode and random state as they were."""
    training = isinstance(model, nn.Module) and model.training
    with torch.random.fork_rng():
        if isinstance(model, nn.Module):
            model.eval()
        try:
            yield
        finally:
            if isinstance(model, nn.Module):
                model.train(training)
