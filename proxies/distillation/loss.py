"""`DistillationLoss`: the loss of flow matching with a teacher's terms beside it.

Each term becomes S(task, term) (:mod:`proxies.distillation.scaling`), and these add up. The value
is the task's loss, the gradient that of the sum: losses of runs with and without a teacher compare,
and what ranks designs never contains the teacher. The projector is a part of the learner, not of
its network: optimizer, averages and checkpoints know it, exports and costs do not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from proxies.distillation.answers import Answers
from proxies.distillation.features import (
    Capture,
    chosen_layer,
    last_transformer,
    layers_of,
    normalised,
    resized,
)
from proxies.distillation.load import load_teacher
from proxies.distillation.scaling import Mean, Scaling
from proxies.distillation.teacher import Teacher, check_fits
from proxies.draw import Draw
from proxies.flow_matching import interpolate, sample_losses, velocity
from proxies.objectives.protocol import Forward, Setup
from proxies.validation import undisturbed
from proxies.velocity_loss import VelocityLoss
from search_space.errors import WalkbenchError
from search_space.initialise import initialise
from search_space.spec import UNetSpec

if TYPE_CHECKING:
    from proxies.objectives.distillation import Distillation

PROJECTOR = "projector"


@dataclass(frozen=True, eq=False)
class TaughtDraw(Draw):
    """A draw with the teacher's answer; ``features`` is (B, 0) where none are asked for."""

    taught: Tensor  # (B, C, S, S) velocities
    features: Tensor  # (B, D, h, w), normalised


def with_gradient_of(total: Tensor, value: Tensor) -> Tensor:
    """Return ``value``, with the gradient of ``total``; not a number where that is none."""
    return total - total.detach() + value.detach()


def student_of(setup: Setup) -> tuple[nn.Module, UNetSpec]:
    """Return the UNet in training and its spec; raises for another kind of network."""
    spec = getattr(setup.learner, "spec", None)
    if not isinstance(spec, UNetSpec):
        raise WalkbenchError(
            f"a teacher of velocities trains UNets, not networks of kind {setup.run.network.kind}"
        )
    return setup.learner.get_submodule("unet"), spec


class DistillationLoss(VelocityLoss):
    """The loss of one run; see :class:`proxies.objectives.protocol.Loss`.

    ``teacher`` is one in memory, in place of the one that the objective names.
    """

    def __init__(
        self, setup: Setup, objective: "Distillation", teacher: Teacher | None = None
    ) -> None:
        super().__init__(setup)
        self.terms = objective.terms
        self.scaling = Scaling(objective.scale, objective.weight)
        if not self.terms:
            return
        unet, spec = student_of(setup)
        self.teacher = load_teacher(objective.teacher, setup.data) if teacher is None else teacher
        check_fits(self.teacher, setup.data)
        device = setup.hardware.device
        self.teacher.to(device)
        layers: tuple[str, ...] = ()
        if "feature" in self.terms:
            theirs, last = self.teacher.layers, self.teacher.last_layer
            layers = (chosen_layer("teacher", objective.teacher_layer, last, theirs),)
            plan = spec.plan()
            own = chosen_layer(
                "student", objective.student_layer, last_transformer(plan), layers_of(plan)
            )
            self.capture = Capture(unet, [own])
        folder = None if objective.cache is None else Path(objective.cache)
        self.answers = Answers(self.teacher, layers, device, folder)
        if layers:
            self._match(objective, own, layers[0])

    def _match(self, objective: "Distillation", own: str, theirs: str) -> None:
        """Add the projector from the student's layer ``own`` to the teacher's ``theirs``."""
        learner, data = self.setup.learner, self.setup.data
        x0, text, labels = data.batch(torch.zeros(1, dtype=torch.long))
        draw = Draw(x0, torch.zeros_like(x0), torch.full((1,), 0.5), text, labels)
        wanted = self.answers(draw).features[theirs].shape[1]
        with torch.no_grad(), undisturbed(learner):
            on_device = draw.map(self.setup.hardware.put)
            x_t = interpolate(on_device.x0, on_device.noise, on_device.t)
            learner(x_t, on_device.t, on_device.text, on_device.labels)
            found = self.capture.take(x_t)[own].shape[1]
        self.projector: nn.Module = nn.Identity()
        if objective.projector:
            with torch.random.fork_rng(devices=[]):
                holder = nn.ModuleDict({PROJECTOR: nn.Conv2d(found, wanted, 1)})
            initialise(holder, self.setup.run.settings.seed)
            self.projector = holder[PROJECTOR].to(self.setup.hardware.device)
            learner.add_module(PROJECTOR, self.projector)
        elif found != wanted:
            raise WalkbenchError(
                f"layer {own} of the student has {found} channels and {theirs} of the teacher "
                f"{wanted}; without a projector they must agree: choose other layers, or set "
                "projector = true"
            )

    def extended(self, draw: Draw, generator: torch.Generator) -> Draw:
        """Add the teacher's answer to ``draw``."""
        if not self.terms:
            return draw
        lesson = self.answers(draw)
        maps = [normalised(found) for found in lesson.features.values()]
        features = maps[0] if maps else torch.zeros(len(draw), 0)
        return TaughtDraw(
            draw.x0, draw.noise, draw.t, draw.text, draw.labels, lesson.velocity, features
        )

    def training(self, forward: Forward, draw: Draw) -> Tensor:
        """Return the task's loss, with the gradient of all terms."""
        if not isinstance(draw, TaughtDraw):
            return super().training(forward, draw)
        x_t = interpolate(draw.x0, draw.noise, draw.t)
        with self.setup.hardware.autocast():
            predicted = forward(x_t, draw.t, draw.text, draw.labels)
            imitated = self._projected(x_t, draw.features)
        task = sample_losses(predicted, velocity(draw.x0, draw.noise))  # (B,)
        total = torch.zeros_like(task)
        for term in self.terms:
            pair = (predicted, draw.taught) if term == "output" else (imitated, draw.features)
            total = total + self.scaling.combined(term, draw.t, task, sample_losses(*pair))
        return with_gradient_of(total.mean(), task.mean())

    def _projected(self, x_t: Tensor, like: Tensor) -> Tensor:
        """Return the student's features of the pass just made, in the teacher's form."""
        if "feature" not in self.terms:
            return x_t
        (features,) = self.capture.take(x_t).values()
        projected: Tensor = self.projector(resized(features, like))
        return projected

    def stepped(self, mean: Mean) -> None:
        """Take the step's losses into the ratios."""
        self.scaling.stepped(mean)

    def state(self) -> dict[str, Tensor]:
        """Return the ratios, for a checkpoint."""
        return self.scaling.state()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over the ratios."""
        self.scaling.load(state, self.setup.hardware.device)
