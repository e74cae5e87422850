"""`FewStepLoss`: what both ways to few steps share; a subclass adds the judge.

The student is asked at the times of its sampler alone. Its picture x̂0 = x_t − t·v is judged after
re-noising to a time t', drawn logit-normal(1, 1). The judge has an optimizer of its own and takes
its steps after the student's, on the pictures of that step: to the student it is a constant, and
what it weighs are a few heads or one more network. The value is the task's loss.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from proxies.distillation import lora
from proxies.distillation.answers import Answers
from proxies.distillation.load import TWINS, check_start, load_teacher
from proxies.distillation.loss import student_of, with_gradient_of
from proxies.distillation.scaling import Mean, Scaling
from proxies.distillation.teacher import check_fits
from proxies.draw import Draw
from proxies.flow_matching import (
    interpolate,
    logit_normal,
    predicted_picture,
    sample_losses,
    velocity,
)
from proxies.objectives.protocol import Forward, Setup
from proxies.velocity_loss import VelocityLoss
from search_space.errors import WalkbenchError

if TYPE_CHECKING:
    from proxies.objectives.few_step import FewStep

RENOISE_MEAN, RENOISE_STD = 1.0, 1.0  # of the logit of t' (LADD, arXiv 2403.12015, §4.2)
CLIP = 1.0  # limit of the joint norm of the judge's gradients


@dataclass(frozen=True, eq=False)
class JudgedDraw(Draw):
    """A draw with the teacher's velocities and what re-noises pictures: the student's first.

    ``times`` is (B, 1 + J), ``noises`` (B, 1 + 2·J, C, S, S) for J steps of the judge, which have
    a second noise each.
    """

    taught: Tensor  # (B, C, S, S)
    times: Tensor
    noises: Tensor


@dataclass(frozen=True, eq=False)
class Judged:
    """Pictures for the judge: the student's and real ones, with what re-noises them."""

    made: Tensor  # (B, C, S, S)
    draw: JudgedDraw


class FewStepLoss(VelocityLoss, ABC):
    """The loss of one run; see :class:`proxies.objectives.protocol.Loss`."""

    def __init__(self, setup: Setup, objective: "FewStep") -> None:
        super().__init__(setup)
        self.objective, self.device = objective, setup.hardware.device
        unet, spec = student_of(setup)
        self.teacher = load_teacher(objective.teacher, setup.data)
        check_fits(self.teacher, setup.data)
        self.teacher.to(self.device)
        if objective.start is not None:
            _begin(setup, spec.digest(), objective.start)
        if objective.lora:
            lora.add(setup.learner, unet, objective.lora, setup.run.settings.seed)
        folder = None if objective.cache is None else Path(objective.cache)
        self.answers = Answers(self.teacher, (), self.device, folder, objective.teacher_steps)
        self.scaling = Scaling(objective.scale)
        self._judged: list[Judged] = []
        self.judge = self.make_judge().to(self.device)
        recipe = setup.run.settings.recipe
        self.judge_rate = recipe.learning_rate * objective.judge_rate
        self.optimizer = torch.optim.AdamW(
            self.judge.parameters(), lr=self.judge_rate, betas=(0.0, 0.99), weight_decay=0.0
        )
        self.judge.requires_grad_(False)
        self.steps = 0

    @abstractmethod
    def make_judge(self) -> nn.Module:
        """Return the judge, with its first weights."""

    @abstractmethod
    def student_loss(self, made: Tensor, draw: JudgedDraw) -> Tensor:
        """Return the judge's loss of each of the student's pictures, (B,), differentiable."""

    @abstractmethod
    def judge_loss(self, judged: Judged, step: int) -> Tensor:
        """Return the mean loss of the judge in its step ``step`` (from 0), differentiable, ()."""

    def extended(self, draw: Draw, generator: torch.Generator) -> Draw:
        """Move times to those of the sampler; add the teacher's answer and what re-noises."""
        steps, size = self.objective.judge_steps, len(draw)
        grid = torch.tensor(self.objective.times)
        first = torch.arange(size) % len(grid)
        t = grid[first[torch.randperm(size, generator=generator)]]
        uniform = torch.rand((size, 1 + steps), generator=generator).clamp(1e-6, 1 - 1e-6)
        shape = (size, 1 + 2 * steps, *draw.x0.shape[1:])
        asked = Draw(draw.x0, draw.noise, t, draw.text, draw.labels)
        return JudgedDraw(
            asked.x0,
            asked.noise,
            asked.t,
            asked.text,
            asked.labels,
            self.answers(asked).velocity,
            logit_normal(uniform, RENOISE_MEAN, RENOISE_STD),
            torch.randn(shape, generator=generator),
        )

    def training(self, forward: Forward, draw: Draw) -> Tensor:
        """Return the task's loss, with the gradient of S and of the judge."""
        assert isinstance(draw, JudgedDraw)
        x_t = interpolate(draw.x0, draw.noise, draw.t)
        with self.setup.hardware.autocast():
            predicted = forward(x_t, draw.t, draw.text, draw.labels).float()
        task = sample_losses(predicted, velocity(draw.x0, draw.noise))
        made = predicted_picture(x_t, predicted, draw.t)
        total = torch.zeros_like(task)
        if self.objective.taught:
            taught = sample_losses(predicted, draw.taught)
            combined = self.scaling.combined("output", draw.t, task, taught)
            total = total + self.objective.taught * combined
        if self.objective.judged:
            total = total + self.objective.judged * self.student_loss(made, draw)
        self._judged.append(Judged(made.detach(), draw))
        return with_gradient_of(total.mean(), task.mean())

    def stepped(self, mean: Mean) -> None:
        """Take the judge's steps on the pictures of the student's."""
        self.scaling.stepped(mean)
        self.judge.requires_grad_(True)
        for step in range(self.objective.judge_steps):
            self.optimizer.zero_grad(set_to_none=True)
            whole = sum(len(judged.draw) for judged in self._judged)
            for judged in self._judged:
                loss = self.judge_loss(judged, step) * (len(judged.draw) / whole)
                loss.backward()  # type: ignore[no-untyped-call]
            mean([p.grad for p in self.judge.parameters() if p.grad is not None])
            nn.utils.clip_grad_norm_(self.judge.parameters(), CLIP)
            self.optimizer.step()
        self.judge.requires_grad_(False)
        self._judged.clear()
        self.steps += 1

    def state(self) -> dict[str, Tensor]:
        """Return ratios, the judge's weights and its optimizer's moments."""
        out = self.scaling.state()
        out |= {f"judge.{name}": value for name, value in self.judge.state_dict().items()}
        for name, weights in self.judge.named_parameters():
            held = self.optimizer.state.get(weights, {})
            out |= {f"adam.{key}.{name}": held[key] for key in held}
        return out | {"steps": torch.tensor(self.steps)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what :meth:`state` returned."""
        self.scaling.load(state, self.device)
        own = {k.removeprefix("judge."): v for k, v in state.items() if k.startswith("judge.")}
        self.judge.load_state_dict(own)
        for name, weights in self.judge.named_parameters():
            held = {
                key: state[f"adam.{key}.{name}"].to(self.device if key != "step" else "cpu").clone()
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"adam.{key}.{name}" in state
            }
            if held:
                self.optimizer.state[weights] = held
        self.steps = int(state["steps"])


def _begin(setup: Setup, digest: str, start: str) -> None:
    """Give the learner the averaged weights of the checkpoint ``start``."""
    found, _, _ = TWINS.get("checkpoint")(check_start(start))
    if found.spec.digest() != digest:
        raise WalkbenchError(
            f"start {start!r} is of the twin {found.spec.digest()} and the student is {digest}; "
            "name a checkpoint of the same design, width and latent"
        )
    own = setup.learner.state_dict().keys()
    state = lora.merged(found, dict(found.state_dict()))
    setup.learner.load_state_dict({name: state[name] for name in own})
