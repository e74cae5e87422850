"""Reconstruction: a decoder learns to return pictures from the latents of a frozen encoder.

The loss of a picture is its mean absolute error plus ``edges`` times that of its Laplacian pyramid
(Lap-1, Bojanowski et al. 2018, arXiv 1707.05776), which weighs blurred edges more than level and
needs no weights; LPIPS and a patch discriminator are added on request.

>>> Reconstruction().kind, Reconstruction(edges=0.5).edges
('reconstruction', 0.5)
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from proxies.setting import check, setting

if TYPE_CHECKING:
    from proxies.objectives.protocol import Loss, Setup


@dataclass(frozen=True)
class Reconstruction:
    """Learn pictures from latents; the weights are of terms beside the mean absolute error."""

    kind: ClassVar[str] = "reconstruction"
    encoder: str | None = setting(
        None,
        help="Frozen VAE of diffusers, a folder or hub id; default: the best linear encoder.",
        is_path=True,
    )
    cache: str | None = setting(
        None, help="Folder that keeps the latents of an encoder between runs.", is_path=True
    )
    edges: float = setting(1.0, help="Weight of the pyramid of edges.", least=0)
    lpips: str | None = setting(
        None, help="LPIPS as a TorchScript file, called with two batches.", is_path=True
    )
    lpips_weight: float = setting(1.0, help="Weight of LPIPS.", above=0)
    discriminator: float = setting(
        0.0, help="Weight of a patch discriminator that trains along; 0: none.", least=0
    )

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, setup: "Setup") -> "Loss":
        """Return the loss of one run; encodes the data."""
        from proxies.reconstruction_loss import ReconstructionLoss

        return ReconstructionLoss.of(setup, self)
