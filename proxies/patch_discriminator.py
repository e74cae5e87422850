"""`PatchDiscriminator`: tells real patches from decoded ones, and trains along with the decoder.

PatchGAN (Isola et al. 2017, arXiv 1611.07004), narrow, with GroupNorm, which looks at one picture
at a time. It is a part of the learner, so that optimizer, checkpoint and averaging know it; one
loss trains both (:func:`adversarial_loss`), as each side sees the other's weights as constants.

>>> import torch
>>> PatchDiscriminator(3)(torch.zeros(2, 3, 32, 32)).shape
torch.Size([2, 1, 8, 8])
"""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

WIDTH = 32


class PatchDiscriminator(nn.Module):
    """One number per patch: large where it looks real."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, WIDTH, 4, 2, 1)
        self.second = nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1)
        self.norm = nn.GroupNorm(8, 2 * WIDTH)
        self.last = nn.Conv2d(2 * WIDTH, 1, 3, 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, C, S, S) to (B, 1, S/4, S/4)."""
        h = F.leaky_relu(self.first(pictures), 0.2)
        h = F.leaky_relu(self.norm(self.second(h)), 0.2)
        out: Tensor = self.last(h)
        return out


def adversarial_loss(judge: nn.Module, made: Tensor, real: Tensor, weight: float) -> Tensor:
    """Return the hinge loss of both sides, ().

    ``weight`` is that of the decoder's side; the discriminator's gradient does not depend on it.
    """
    constants = {name: p.detach() for name, p in judge.named_parameters()}
    fooled: Tensor = functional_call(judge, constants, (made,))
    telling = F.relu(1 - judge(real)).mean() + F.relu(1 + judge(made.detach())).mean()
    return telling - weight * fooled.mean()
