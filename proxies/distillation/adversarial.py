"""`AdversarialLoss`: heads on the teacher's features judge what the student draws.

Losses are softplus: of the heads softplus(made) + softplus(−real) plus the approximate R1
‖D(F(x)) − D(F(x + 0.1·n))‖² (APT, arXiv 2501.08316, §3.3), of the student softplus(−made). The gap
between mean logits of real and made pictures is watched: heads that see no difference and heads
that see nothing else both teach nothing, and end the run with its last good weights.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from proxies.distillation.few_step import FewStepLoss, Judged, JudgedDraw
from proxies.distillation.heads import Heads
from proxies.distillation.scaling import Mean
from proxies.draw import Draw
from proxies.flow_matching import interpolate
from proxies.objectives.protocol import Setup
from search_space.errors import WalkbenchError
from search_space.initialise import initialise

if TYPE_CHECKING:
    from proxies.objectives.few_step import Adversarial

R1_NOISE = 0.1
GAP_DECAY = 0.9  # of the average gap


class AdversarialLoss(FewStepLoss):
    """The loss of one run; see :class:`proxies.objectives.protocol.Loss`."""

    def __init__(self, setup: Setup, objective: "Adversarial") -> None:
        self.limits = objective.gap_least, objective.gap_most
        self.r1, self.patience, self.count = objective.r1, objective.patience, objective.layers
        self.gap, self.outside = torch.zeros(()), 0
        self.watch_from = objective.watch_from
        super().__init__(setup, objective)

    def make_judge(self) -> nn.Module:
        """Return heads on evenly spread layers of the teacher, the last one always."""
        known, data = self.teacher.layers, self.setup.data
        if not known:
            raise WalkbenchError(
                f"teacher {self.teacher.name!r} shows no features to judge by; use a network as "
                "teacher, or objective distribution-matching"
            )
        last = known.index(self.teacher.last_layer or known[-1])
        count = min(self.count, last + 1)
        places = [round((i + 1) * (last + 1) / count) - 1 for i in range(count)]
        self.layers = tuple(known[place] for place in places)
        x0, text, labels = data.batch(torch.zeros(1, dtype=torch.long))
        one = Draw(x0, x0, torch.ones(1), text, labels).map(self.setup.hardware.put)
        with torch.no_grad():
            maps = self.teacher(one.x0, one.t, one.text, one.labels, self.layers).features
        widths = {layer: maps[layer].shape[1] for layer in self.layers}
        with torch.random.fork_rng(devices=[]):  # its weights come from a stream of their own
            heads = Heads(widths, data.vocabulary, data.text_width)
        return initialise(heads, self.setup.run.settings.seed)

    def logits(self, pictures: Tensor, draw: JudgedDraw, time: int, noise: int) -> Tensor:
        """Return the heads' logits, (B, places), of ``pictures`` re-noised by columns of the draw.

        Differentiable to the pictures.
        """
        t = draw.times[:, time]
        x_t = interpolate(pictures, draw.noises[:, noise], t)
        return self._read(x_t, t, draw)

    def _read(self, x_t: Tensor, t: Tensor, draw: JudgedDraw) -> Tensor:
        said = self.teacher(x_t, t, draw.text, draw.labels, self.layers)
        out: Tensor = self.judge(said.features, t, draw.text)
        return out

    def student_loss(self, made: Tensor, draw: JudgedDraw) -> Tensor:
        """Return softplus(−made), (B,)."""
        return F.softplus(-self.logits(made, draw, 0, 0)).mean(dim=1)

    def judge_loss(self, judged: Judged, step: int) -> Tensor:
        """Return the heads' loss of both kinds of pictures with the approximate R1."""
        draw, noise = judged.draw, 1 + 2 * step
        made = self.logits(judged.made, draw, 1 + step, noise)
        real = self.logits(draw.x0, draw, 1 + step, noise)
        loss = F.softplus(made).mean() + F.softplus(-real).mean()
        if self.r1:
            t = draw.times[:, 1 + step]
            x_t = interpolate(draw.x0, draw.noises[:, noise], t)
            near = self._read(x_t + R1_NOISE * draw.noises[:, noise + 1], t, draw)
            loss = loss + self.r1 * (real - near).square().mean()
        gap = (real.mean() - made.mean()).detach()
        self.gap = torch.lerp(gap, self.gap.to(gap.device), GAP_DECAY if self.steps else 0.0)
        return loss

    def stepped(self, mean: Mean) -> None:
        """Take the heads' steps and see whether they still teach."""
        super().stepped(mean)
        mean([self.gap])  # all processes see one gap, and end together
        self.outside = 0 if self.is_well() else self.outside + 1

    def is_well(self) -> bool:
        """Whether the gap is inside its limits, or not yet watched."""
        low, high = self.limits
        gap = self.gap.item()
        return low <= gap <= high or (math.isfinite(gap) and self.steps <= self.watch_from)

    def ended(self) -> str:
        """Return why the heads teach nothing any more; empty while they do."""
        if not self.gap.isfinite():
            return "discriminator collapsed: its logits are not finite"
        if self.outside < self.patience:
            return ""
        low, high = self.limits
        return (
            f"discriminator collapsed: real and made pictures differ by {self.gap.item():.3g} in "
            f"logits, outside {low:g} to {high:g} for {self.outside} steps"
        )

    def state(self) -> dict[str, Tensor]:
        """Return what the base does, and the watch."""
        return {**super().state(), "gap": self.gap, "outside": torch.tensor(self.outside)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what :meth:`state` returned."""
        super().load(state)
        self.gap, self.outside = state["gap"].clone(), int(state["outside"])
