"""`DistributionLoss`: the teacher's and a critic's opinion of the student's pictures differ.

Distribution matching distillation (DMD2, arXiv 2405.14867): the critic, a copy of the student's
first weights, learns by flow matching what the student draws. At a re-noised picture teacher and
critic predict a clean one; their difference, over the mean distance of the picture from the
teacher's, is the direction in which the student's pictures become more likely under the data.
"""

import copy

import torch
from torch import Tensor, nn

from proxies.distillation import lora
from proxies.distillation.few_step import FewStepLoss, Judged, JudgedDraw
from proxies.flow_matching import interpolate, predicted_picture, sample_losses, velocity
from search_space.modules.moments import over


class DistributionLoss(FewStepLoss):
    """The loss of one run; see :class:`proxies.objectives.protocol.Loss`."""

    def make_judge(self) -> nn.Module:
        """Return the critic: the student as it begins, without the updates of LoRA."""
        critic = copy.deepcopy(lora.plain(self.setup.learner))
        critic.requires_grad_(True)
        return critic.train()

    def student_loss(self, made: Tensor, draw: JudgedDraw) -> Tensor:
        """Return a loss of each picture, (B,), whose gradient is the normalised difference."""
        with torch.no_grad():
            t = draw.times[:, 0]
            x_t = interpolate(made, draw.noises[:, 0], t)
            given = (x_t, t, draw.text, draw.labels)
            likely = predicted_picture(x_t, self.teacher(*given).velocity, t)
            usual = predicted_picture(x_t, self.judge(*given).float(), t)
            distance = (made - likely).abs().flatten(1).mean(dim=1).clamp(min=1e-3)
            wanted = made - (usual - likely) / over(distance, made)
        return 0.5 * sample_losses(made, wanted)

    def judge_loss(self, judged: Judged, step: int) -> Tensor:
        """Return the critic's loss of flow matching on the student's pictures."""
        draw = judged.draw
        t, noise = draw.times[:, 1 + step], draw.noises[:, 1 + 2 * step]
        x_t = interpolate(judged.made, noise, t)
        predicted = self.judge(x_t, t, draw.text, draw.labels)
        return sample_losses(predicted, velocity(judged.made, noise)).mean()
