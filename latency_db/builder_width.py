"""`with_first_width(spec, width, latent)`: a design small enough to time on a laptop's processor.

Unlike a twin for training, it keeps what decides which operators run and in which proportion: head
count, tokens, norm groups per channel. Only widths and the latent shrink. Times of narrow networks
show whether sums of blocks hold and how fast this machine is; they are not times of the wide ones.

>>> from search_space.presets import named_spec
>>> small = with_first_width(named_spec("F/mqa"), width=64, latent=32)
>>> [(stage.channels, stage.heads, stage.head_dim) for stage in small.stages]
[(64, 4, 16), (128, 8, 16), (224, 14, 16)]
"""

import dataclasses

from search_space.errors import WalkbenchError
from search_space.spec import Stage, UNetSpec

REFERENCE_WIDTH = 256  # SnapGen's first stage becomes ``width`` wide; the factor is for all specs


def with_first_width(spec: UNetSpec, width: int, latent: int) -> UNetSpec:
    """Return ``spec`` with every width multiplied by ``width / 256`` at a ``latent``² latent.

    Raises :class:`WalkbenchError` when a width would not stay whole or the latent cannot be halved.
    """
    if width < 1 or latent < 1:
        raise WalkbenchError(f"narrow width {width} and latent {latent} must be positive")
    context = dataclasses.replace(
        spec.context,
        width=_scaled(spec.context.width, width, "context.width"),
        input_width=_scaled(spec.context.input_width, width, "context.input_width"),
    )
    pooled = _scaled(spec.conditions.pooled_width, width, "conditions.pooled_width")
    groups = max(1, spec.norm_groups * width // REFERENCE_WIDTH)
    return spec.replace(
        stages=tuple(_stage(stage, width, f"stages[{i}]") for i, stage in enumerate(spec.stages)),
        time_width=_scaled(spec.time_width, width, "time_width"),
        context=context,
        conditions=dataclasses.replace(spec.conditions, pooled_width=pooled),
        norm_groups=groups,
        latent_size=latent,
    )


def _stage(stage: Stage, width: int, where: str) -> Stage:
    return dataclasses.replace(
        stage,
        channels=_scaled(stage.channels, width, f"{where}.channels"),
        head_dim=_scaled(stage.head_dim, width, f"{where}.head_dim"),
    )


def _scaled(value: int, width: int, where: str) -> int:
    if value * width % REFERENCE_WIDTH:
        raise WalkbenchError(
            f"narrow width {width} makes {where} {value} a fraction; use 32, 64 or 128"
        )
    return value * width // REFERENCE_WIDTH
