"""`twin(network)`: the same topology, narrower and smaller, so that a CPU can train it in seconds.

A kind of network registers its own (:func:`search_space.network.register_twin`). The rules for a
UNet, each named in the error when it cannot be kept:

- ``channels``: every width is multiplied by ``width / 256`` and rounded to an even number of at
  least 4. The factor is the same for all specs (256 is SnapGen's first stage): ratios hold within
  a network and between candidates: SDXL's 320/640/1280 become 20/40/80, SnapGen's 256/512/896
  become 16/32/56. A factor per network would make the twin of a narrow first stage the widest.
- ``heads``: the head dim shrinks by the same factor, to a multiple of 4 (rotary positions need it)
  and at least 8 (attention kernels spend as long on narrower heads); as many heads as come nearest
  to the scaled attention width, halves up. SnapGen's 4/8/14 heads of 64 become 2/4/7 of 8. Below a
  width of 16 the first stage is left with one head.
- ``kv_heads``: as many as heads stays so, one stays one, otherwise the divisor of heads nearest in
  ratio.
- ``norm_groups``: shrink by the same factor, so channels per group stay; halved until they divide
  every width that is normalised.
- ``time``, ``context``, ``pooled``, ``size``: widths shrink by the same factor; the context has as
  many tokens as a caption of the data. ``classes``: at most as many as the data has.
- ``latent``: set as asked; every stage must halve it evenly. Input and output have as many channels
  as the data: 3 for pixels, those of the VAE for cached latents.
- Everything else is kept: sites, depths, attention places, conv kinds, expansions, feed-forward
  ratios, samplers, mid, QK norm, rotary positions, biases, activation.

>>> from search_space.presets import named_spec
>>> small = twin(named_spec("F/mqa"))
>>> [(stage.channels, stage.heads, stage.head_dim, stage.kv_heads) for stage in small.stages]
[(16, 2, 8, 2), (32, 4, 8, 1), (56, 7, 8, 1)]
>>> small.latent_size, small.in_channels, small.context.width, small.time_width
(24, 3, 48, 56)
"""

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol, Self, TypeVar, cast

from search_space.errors import SpecError, WalkbenchError
from search_space.network import TWINS, Network, register_twin
from search_space.spec import Conditions, Context, Stage, UNetSpec


class _Replaceable(Protocol):
    def replace(self, **changes: Any) -> Self: ...


N = TypeVar("N", bound=Network)
S = TypeVar("S", bound=_Replaceable)

REFERENCE_WIDTH = 256  # the width whose twin is `width` wide: SnapGen's first stage
MIN_CHANNELS = 4
MIN_HEAD_DIM = 8
CAPTION_TOKENS = 12  # proxies.data.shapes: no caption is longer
CLASSES = 32  # proxies.data.shapes: 4 shapes × 8 colours


class TwinError(WalkbenchError):
    """A rule of the twin that this spec, width or latent cannot keep."""


def twin(
    network: N,
    width: int = 16,
    latent: int = 24,
    *,
    channels: int = 3,
    tokens: int = CAPTION_TOKENS,
) -> N:
    """Return the twin of ``network``: 256 channels become ``width``, the input ``latent`` wide.

    ``channels`` is the number of input and output channels, ``tokens`` the length of a caption.
    Raises :class:`TwinError` naming the rule that fails, and :class:`WalkbenchError` for a kind of
    network that has no twin.
    """
    small = TWINS.get(network.kind)(network, width, latent, channels=channels, tokens=tokens)
    return cast(N, small)


@lru_cache(maxsize=4096)
def unet_twin(spec: UNetSpec, width: int, latent: int, *, channels: int, tokens: int) -> UNetSpec:
    """Return the twin of a UNet by the rules above."""
    for name, value in (("width", width), ("latent", latent), ("channels", channels)):
        if value < 1:
            raise TwinError(f"twin rule {name}: {value} is given; a positive number is needed")
    factor = 2 ** (len(spec.stages) - 1)
    if latent % factor:
        near = max(factor, round(latent / factor) * factor)
        raise TwinError(
            f"twin rule latent: {latent} is not a multiple of {factor}, which "
            f"{len(spec.stages)} stages need; use {near}"
        )
    scale = width / REFERENCE_WIDTH
    stages = tuple(_stage(stage, scale, f"stages[{i}]") for i, stage in enumerate(spec.stages))
    changes = {
        "stages": stages,
        "time_width": _scaled(spec.time_width, scale),
        "context": _context(spec.context, scale, tokens),
        "conditions": _conditions(spec.conditions, scale),
        "in_channels": channels,
        "out_channels": channels,
        "latent_size": latent,
    }
    groups = max(1, round(spec.norm_groups * scale))
    return with_groups(spec, changes, groups)


def with_groups(spec: S, changes: Mapping[str, Any], groups: int) -> S:
    """Return ``spec`` with ``changes`` and ``groups`` norm groups, halved until they divide.

    Raises :class:`TwinError` where another rule of the spec fails.
    """
    while True:
        try:
            return spec.replace(**changes, norm_groups=groups)
        except SpecError as error:
            if groups == 1:  # one group divides everything, so this is another rule
                raise TwinError(f"twin rule spec: {error}") from None
            groups //= 2


def _scaled(value: int, scale: float, least: int = MIN_CHANNELS) -> int:
    """Return ``value × scale`` as the nearest even number of at least ``least``."""
    return max(least, 2 * round(value * scale / 2))


def _stage(stage: Stage, scale: float, where: str) -> Stage:
    exact = stage.channels * scale
    if exact < MIN_CHANNELS - 1:
        least = -(-MIN_CHANNELS * REFERENCE_WIDTH // stage.channels)
        raise TwinError(
            f"twin rule channels: {where}.channels {stage.channels} would become {exact:.3g}, "
            f"fewer than {MIN_CHANNELS}; use a width of {least} or more"
        )
    inner = _scaled(stage.heads * stage.head_dim, scale)
    head_dim = max(MIN_HEAD_DIM, 4 * round(stage.head_dim * scale / 4))
    heads = max(1, int(inner / head_dim + 0.5))
    return dataclasses.replace(
        stage,
        channels=_scaled(stage.channels, scale),
        heads=heads,
        head_dim=head_dim,
        kv_heads=_kv_heads(stage, heads),
    )


def _kv_heads(stage: Stage, heads: int) -> int:
    if stage.kv_heads == stage.heads:
        return heads
    wanted = stage.kv_heads / stage.heads * heads
    if stage.kv_heads == 1:
        return 1
    return min((d for d in range(1, heads + 1) if heads % d == 0), key=lambda d: abs(d - wanted))


def _context(context: Context, scale: float, tokens: int) -> Context:
    given = _scaled(context.input_width, scale) if context.projection != "none" else 0
    return Context(_scaled(context.width, scale), tokens, context.projection, given)


def _conditions(conditions: Conditions, scale: float) -> Conditions:
    pooled = _scaled(conditions.pooled_width, scale) if conditions.pooled_width else 0
    return Conditions(
        pooled_width=pooled,
        size_ids=conditions.size_ids,
        size_width=_scaled(conditions.size_width, scale) if conditions.size_ids else 256,
        classes=min(conditions.classes, CLASSES),
    )


register_twin("unet", unet_twin)
TWINS.register("decoder", "proxies.decoder_twin:decoder_twin")
