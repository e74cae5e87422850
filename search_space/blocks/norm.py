"""`Norm`: GroupNorm geometry and activation, shared by all blocks of a network.

>>> Norm(32, 1e-5, "silu").check(48, 8, "the resblock input (with skip)")
Traceback (most recent call last):
    ...
search_space.errors.SpecError: norm_groups 32 does not divide the resblock input (with skip) 48;
change norm_groups, the stage's channels or the expansion
"""

from typing import Literal

from search_space.errors import SpecError
from search_space.frozen import frozen

Activation = Literal["silu", "gelu", "relu", "mish", "hardswish"]


@frozen
class Norm:
    """GroupNorm geometry and activation shared by all blocks of a network."""

    groups: int
    eps: float
    activation: Activation

    def check(self, channels: int, size: int, where: str) -> None:
        """Raise :class:`SpecError` unless a map of ``channels`` and ``size`` can be normed."""
        check_groups(self.groups, channels, size, where)


def check_groups(groups: int, channels: int, size: int, where: str) -> None:
    """Raise :class:`SpecError` unless GroupNorm works on ``channels`` of ``size``×``size``."""
    if channels % groups:
        raise SpecError(
            f"norm_groups {groups} does not divide {where} {channels}; "
            "change norm_groups, the stage's channels or the expansion"
        )
    if channels == groups and size == 1:  # each value is its own mean
        raise SpecError(
            f"norm_groups {groups} leaves one value per group in {where} {channels} at 1×1 "
            "pixels; use fewer groups or a larger latent_size"
        )
