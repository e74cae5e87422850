"""Module of a network's first and last convolution."""

from torch import Tensor, nn

from search_space.blocks.conv_in_out import ConvIn, ConvOut
from search_space.blocks.norm import Norm
from search_space.modules.activations import ACTIVATIONS
from search_space.modules.registry import module_of


@module_of(ConvIn, ConvOut)
class Conv3x3(nn.Module):
    """Latents to features, or (with ``norm``) features to latents."""

    def __init__(self, block: ConvIn | ConvOut):
        super().__init__()
        norm: Norm | None = getattr(block, "norm", None)
        if norm is not None:
            self.norm: nn.Module = nn.GroupNorm(norm.groups, block.in_channels, eps=norm.eps)
            self.act = ACTIVATIONS[norm.activation]()
        else:
            self.norm, self.act = nn.Identity(), nn.Identity()
        self.conv = nn.Conv2d(block.in_channels, block.out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H, W)."""
        out: Tensor = self.conv(self.act(self.norm(x)))
        return out
