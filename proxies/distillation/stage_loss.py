"""`StageLoss`: every stage of the student imitates the reference's, beside the task's loss.

The value is the task's loss, the gradient that of the sum (as in :mod:`proxies.distillation.loss`).
:meth:`StageLoss.stage_errors` is what block-wise proxies rank by.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from proxies.distillation.load import load_teacher
from proxies.distillation.loss import student_of, with_gradient_of
from proxies.distillation.stages import StageImitation, StageTrace, traced
from proxies.distillation.teacher import ModuleTeacher, Teacher, check_fits
from proxies.draw import Draw
from proxies.flow_matching import interpolate, sample_losses, velocity
from proxies.model import Learner
from proxies.objectives.protocol import Forward, Setup
from proxies.validation import BATCH, undisturbed
from proxies.velocity_loss import VelocityLoss
from search_space.errors import WalkbenchError
from search_space.initialise import initialise

if TYPE_CHECKING:
    from proxies.objectives.stage_wise import StageWise

ADAPTERS = "stages"


class StageLoss(VelocityLoss):
    """The loss of one run; see :class:`proxies.objectives.protocol.Loss`."""

    def __init__(
        self, setup: Setup, objective: "StageWise", reference: Teacher | None = None
    ) -> None:
        super().__init__(setup)
        self.objective = objective
        unet, spec = student_of(setup)
        found = load_teacher(objective.teacher, setup.data) if reference is None else reference
        check_fits(found, setup.data)
        if not (isinstance(found, ModuleTeacher) and isinstance(found.module, Learner)):
            raise WalkbenchError(
                f"{found.name!r} has no stages to imitate; name a checkpoint of `walkbench proxy "
                "run` or the export of a twin"
            )
        if not isinstance(setup.learner, Learner):
            raise WalkbenchError(
                "stage-wise imitation trains twins of proxies, not exports; use distillation"
            )
        found.to(setup.hardware.device)
        self.reference, self.unet, self.learner = found.module, unet, setup.learner
        x0, text, labels = setup.data.batch(torch.zeros(1, dtype=torch.long))
        draw = Draw(x0, torch.zeros_like(x0), torch.full((1,), 0.5), text, labels)
        with torch.no_grad(), undisturbed(setup.learner):
            one = draw.map(setup.hardware.put)
            x_t = interpolate(one.x0, one.noise, one.t)
            own = traced(unet, spec, self.learner.inputs(x_t, one.t, one.text, one.labels))
            imitation = StageImitation(spec, own, self._reference(x_t, one))
        initialise(imitation, setup.run.settings.seed)
        self.imitation = imitation.to(setup.hardware.device)
        setup.learner.add_module(ADAPTERS, self.imitation)

    def _reference(self, x_t: Tensor, draw: Draw) -> dict[str, StageTrace]:
        with torch.no_grad():
            inputs = self.reference.inputs(x_t, draw.t, draw.text, draw.labels)
            return traced(self.reference.unet, self.reference.spec, inputs)

    def training(self, forward: Forward, draw: Draw) -> Tensor:
        """Return the task's loss, with the gradient of the stages' beside it."""
        x_t = interpolate(draw.x0, draw.noise, draw.t)
        target = velocity(draw.x0, draw.noise)
        with self.setup.hardware.autocast():
            if self.objective.inputs == "own":
                inputs = self.learner.inputs(x_t, draw.t, draw.text, draw.labels)
                own = traced(self.unet, self.learner.spec, inputs)
                stages = self.imitation.losses_of(own, self._reference(x_t, draw))
                predicted = self.learner.velocity(x_t, draw.t, own["output"].leaves)
            else:
                stages = self._fed(x_t, draw)
                with torch.set_grad_enabled(bool(self.objective.task) and torch.is_grad_enabled()):
                    predicted = forward(x_t, draw.t, draw.text, draw.labels)
        task = sample_losses(predicted, target).mean()
        total = torch.stack([loss.mean() for loss in stages.values()]).sum()
        if self.objective.task:
            total = total + self.objective.task * task
        return with_gradient_of(total, task)

    def _fed(self, x_t: Tensor, draw: Draw) -> dict[str, Tensor]:
        """Return the losses of stages that are fed with the reference's values."""
        inputs = self.learner.inputs(x_t, draw.t, draw.text, draw.labels)
        return self.imitation.losses(self.unet, inputs, self._reference(x_t, draw))

    def stage_errors(self, learner: nn.Module) -> dict[str, float]:
        """Return the mean loss of every stage on the validation samples, fed by the reference."""
        held, put = self.setup.validation, self.setup.hardware.put
        sums: dict[str, float] = {}
        with torch.no_grad(), undisturbed(learner):
            for start in range(0, len(held), BATCH):
                draw = Draw(held.pictures, held.noise, held.times, held.text, held.labels)
                part = draw.part(start, BATCH).map(put)
                x_t = interpolate(part.x0, part.noise, part.t)
                for name, loss in self._fed(x_t, part).items():
                    sums[name] = sums.get(name, 0.0) + loss.sum().item()
        return {name: total / len(held) for name, total in sums.items()}
