"""How far a decoded picture is from the real one: a loss to train by, and PSNR and SSIM to read.

>>> import torch
>>> a = torch.zeros(2, 3, 16, 16)
>>> pyramid_losses(a, a + 0.5).tolist()  # a change of level alone is no change of edges
[0.0, 0.0]
>>> quality(a, a + 0.02).psnr
40.0
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from proxies.score_parts import PictureQuality

LEVELS = 3  # of the pyramid; fewer where pictures are small
LEAST = 4  # pixels of the smallest level


def absolute_losses(made: Tensor, real: Tensor) -> Tensor:
    """Return the mean absolute error of each picture, (B,)."""
    return (made - real).abs().flatten(1).mean(dim=1)


def pyramid_losses(made: Tensor, real: Tensor) -> Tensor:
    """Return the sum over levels of the mean absolute error of Laplacian bands, (B,).

    The pyramid is linear, so the bands are those of the difference of (B, C, S, S) pictures.
    """
    rest = made - real
    total = rest.new_zeros(rest.shape[0])
    for _ in range(LEVELS):
        if min(rest.shape[-2:]) < 2 * LEAST:
            break
        coarse = F.avg_pool2d(rest, 2)
        smooth = F.interpolate(coarse, size=rest.shape[-2:], mode="bilinear", align_corners=False)
        total = total + (rest - smooth).abs().flatten(1).mean(dim=1)
        rest = coarse
    return total


def quality(made: Tensor, real: Tensor) -> PictureQuality:
    """Return the mean PSNR and SSIM of pictures (N, C, S, S) in [-1, 1]."""
    psnr, ssim = qualities(made, real)
    return PictureQuality(len(psnr), round(psnr.mean().item(), 4), round(ssim.mean().item(), 6))


@torch.no_grad()
def qualities(made: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Return PSNR and SSIM of each picture, (N,) both, clipped as a screen clips them.

    Pictures are (N, C, S, S) in [-1, 1]; by torchmetrics, at 8 bits' range: 0 … 1. SSIM has its
    usual Gaussian of σ = 1.5, cut to 7 × 7 in pictures of less than 16 pixels.
    """
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    a, b = ((x.float().clamp(-1, 1) + 1) / 2 for x in (made, real))
    psnr = peak_signal_noise_ratio(a, b, data_range=1.0, reduction="none", dim=(1, 2, 3))
    ssim = structural_similarity_index_measure(a, b, data_range=1.0, sigma=1.5, reduction="none")
    assert isinstance(ssim, Tensor)
    return psnr.reshape(-1), ssim.reshape(-1)
