"""`Heads`: small networks on a frozen teacher's feature maps that tell real pictures from made.

One head per layer (LADD, arXiv 2403.12015, §4.1): the map is normalised, so that no head depends on
a layer's scale, and each place gets a logit, to which time and text add a projection (Miyato &
Koyama 2018, arXiv 1802.05637).

>>> heads = Heads({"mid.stack0": 16}, vocabulary=27)
>>> heads({"mid.stack0": torch.zeros(2, 16, 4, 4)}, torch.ones(2), torch.zeros(2, 5).long()).shape
torch.Size([2, 16])
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HIDDEN = 32
FREQUENCIES = 8


class Head(nn.Module):
    """Logits of one map's places."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels, affine=False)
        self.first = nn.Conv2d(channels, HIDDEN, 1)
        self.second = nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1)
        self.last = nn.Conv2d(HIDDEN, 1, 1)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """(B, C, h, w) and (B, HIDDEN) to (B, h·w)."""
        h = F.leaky_relu(self.first(self.norm(features.float())), 0.2)
        h = F.leaky_relu(self.second(h), 0.2)  # (B, HIDDEN, h, w)
        meant = (h * condition[:, :, None, None]).mean(dim=1, keepdim=True)
        out: Tensor = (self.last(h) + meant).flatten(1)
        return out


class Heads(nn.Module):
    """Logits of all places of several maps; ``widths`` are channels by layer."""

    def __init__(self, widths: Mapping[str, int], vocabulary: int = 0, text_width: int = 0) -> None:
        super().__init__()
        self.layers = tuple(widths)
        self.heads = nn.ModuleList(Head(width) for width in widths.values())
        self.words = (
            nn.Linear(text_width, HIDDEN) if text_width else nn.Embedding(vocabulary, HIDDEN)
        )
        self.times = nn.Linear(2 * FREQUENCIES, HIDDEN)

    def forward(self, features: Mapping[str, Tensor], t: Tensor, text: Tensor) -> Tensor:
        """Maps (B, D, h, w) by layer, times (B,) and text to logits (B, places)."""
        rates = torch.pi * 2.0 ** torch.arange(FREQUENCIES, device=t.device)
        angles = t[:, None] * rates
        condition = self.words(text).mean(dim=1) + self.times(
            torch.cat([angles.sin(), angles.cos()], dim=1)
        )
        pairs = zip(self.heads, self.layers, strict=True)
        return torch.cat([head(features[layer], condition) for head, layer in pairs], dim=1)
