"""`Teacher`: a frozen network that says the velocity of a noisy picture, and its features.

A teacher must read the latents that the student reads, at the same size, and predict the velocity
of flow matching; :func:`check_fits` says what differs. :mod:`proxies.distillation.load` finds one
by name, :class:`ModuleTeacher` makes one of any module.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from proxies.data.latents import CachedLatents
from proxies.data.training_data import TrainingData
from proxies.distillation.features import Capture
from search_space.errors import WalkbenchError
from search_space.registry import Registry

PREDICTS = "velocity"


@dataclass(frozen=True)
class Reads:
    """What a teacher reads and predicts; None where it takes anything."""

    channels: int | None = None
    size: int | None = None
    predicts: str = PREDICTS
    vae: str | None = None


@dataclass(frozen=True, eq=False)
class Lesson:
    """A teacher's answer: velocities (B, C, H, W) and feature maps (B, D, h, w) by layer."""

    velocity: Tensor
    features: dict[str, Tensor]


class Teacher(Protocol):
    """Frozen: none of its weights has a gradient, though its answer has one to ``x_t``."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def digest(self) -> str:
        """Names it by its weights: answers of equal digests are equal."""

    @property
    def reads(self) -> Reads:
        """What it takes and predicts."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose features it can give; empty for one that has none to show."""

    @property
    def last_layer(self) -> str | None:
        """The last one with transformer layers."""

    def to(self, device: torch.device) -> None:
        """Move to ``device``."""

    def __call__(
        self, x_t: Tensor, t: Tensor, text: Tensor, labels: Tensor, layers: Sequence[str] = ()
    ) -> Lesson:
        """Answer for noisy pictures (B, C, H, W), times (B,) in [0, 1], text and labels."""


TEACHERS: Registry[Callable[[TrainingData], Teacher]] = Registry("teacher")


class ModuleTeacher:
    """A teacher of ``module``, called with pictures, times, text and labels.

    ``root`` is the part of it whose submodules ``layers`` are. Its weights stop learning.
    """

    def __init__(
        self,
        module: nn.Module,
        reads: Reads,
        *,
        name: str,
        digest: str,
        root: nn.Module | None = None,
        layers: Sequence[str] = (),
        last_layer: str | None = None,
    ) -> None:
        self.module = module.eval().requires_grad_(False)
        for weights in module.parameters():
            weights.grad = None
        self.reads, self.name, self.digest = reads, name, digest
        self.layers, self.last_layer = tuple(layers), last_layer
        self._root = module if root is None else root
        self._captures: dict[tuple[str, ...], Capture] = {}

    def to(self, device: torch.device) -> None:
        """Move the module."""
        self.module.to(device)

    def __call__(
        self, x_t: Tensor, t: Tensor, text: Tensor, labels: Tensor, layers: Sequence[str] = ()
    ) -> Lesson:
        """Answer; differentiable to ``x_t``."""
        wanted = tuple(layers)
        if wanted not in self._captures:
            self._captures[wanted] = Capture(self._root, wanted)
        velocity: Tensor = self.module(x_t, t, text, labels)
        for held, capture in self._captures.items():
            found = capture.take(x_t)
            if held == wanted:
                features = found
        return Lesson(velocity.float(), features)


class CallableTeacher(ModuleTeacher):
    """A teacher of any function of pictures, times, text and labels; it has no layers to show.

    >>> teacher = CallableTeacher(lambda x_t, t, text, labels: -x_t, digest="minus")
    >>> x = torch.ones(1, 3, 4, 4)
    >>> teacher(x, torch.ones(1), torch.zeros(1, 2), torch.zeros(1)).velocity.unique().item()
    -1.0
    """

    def __init__(
        self, function: Callable[..., Tensor], *, digest: str, reads: Reads | None = None
    ) -> None:
        class Called(nn.Module):
            def forward(self, *given: Tensor) -> Tensor:
                return function(*given)

        super().__init__(Called(), reads or Reads(), name=digest, digest=digest)


def check_fits(teacher: Teacher, data: TrainingData) -> None:
    """Raise :class:`WalkbenchError` where ``teacher`` cannot teach on ``data``, saying why."""
    reads = teacher.reads
    if reads.predicts != PREDICTS:
        raise WalkbenchError(
            f"teacher {teacher.name!r} predicts {reads.predicts}; a network trained by flow "
            "matching, which predicts a velocity, is needed"
        )
    vae = data.settings.vae if isinstance(data, CachedLatents) else None
    if reads.channels not in (None, data.channels):
        raise WalkbenchError(
            f"teacher {teacher.name!r} reads {reads.channels} channels and data {data.name!r} have "
            f"{data.channels}: another latent space; use a teacher of the student's latents"
        )
    if None not in (reads.vae, vae) and reads.vae != vae:
        raise WalkbenchError(
            f"teacher {teacher.name!r} reads latents of the VAE {reads.vae} and the data are of "
            f"{vae}; use a teacher of the student's latents"
        )
    if reads.size not in (None, data.size):
        raise WalkbenchError(
            f"teacher {teacher.name!r} was trained at {reads.size}×{reads.size} and the data are "
            f"{data.size}×{data.size}; use a latent of {reads.size}, or a teacher of {data.size}"
        )
