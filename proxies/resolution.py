"""Which designs a small twin cannot tell apart, and the second resolution that shows more of them.

A twin keeps every switch but not the number of tokens: at a latent of 128 SDXL's first stage has
16,384 places, at 24 its twin has 576, and the lowest stage has 36 instead of 1,024. Most axes
do not depend on that. Four do, because their benefit grows with the number of places:

- ``self-attention``: which layers of a stage attend to the picture itself, at high resolution (more
  than 32 × 32 places in the full design)
- ``first stage``: transformers, of any attention, at full resolution
- ``positions``: rotary positions, which turn by row and column
- ``stages``: how often the resolution is halved

Two designs that differ in one of them are trained at a second resolution too, twice the first: four
times the places, and four times the time. A ranking that does not hold there is an artefact of
the small twin.

>>> from search_space.presets import named_spec
>>> resolution_axes(named_spec("F/thin"), named_spec("F/no-high-res-sa"))
('self-attention',)
>>> latents_for(named_spec("F/thin"), named_spec("F/no-high-res-sa"))
(24, 48)
>>> latents_for(named_spec("F/ffn-3"), named_spec("F/mqa"))
(24,)
"""

from collections.abc import Callable

from search_space.spec import UNetSpec

FIRST_LATENT = 24
HIGH_RESOLUTION = 32  # places per side above which self-attention counts as high-resolution


def resolution_axes(a: UNetSpec, b: UNetSpec) -> tuple[str, ...]:
    """Return the names of the resolution-dependent axes in which two designs differ."""
    views: dict[str, Callable[[UNetSpec], object]] = {
        "self-attention": _high_self_attention,
        "first stage": _first_stage,
        "positions": _positions,
        "stages": lambda spec: len(spec.stages),
    }
    return tuple(name for name, view in views.items() if view(a) != view(b))


def latents_for(a: UNetSpec, b: UNetSpec, latent: int = FIRST_LATENT) -> tuple[int, ...]:
    """Return the latents at which the twins of two designs must be compared, the smallest first."""
    return (latent, 2 * latent) if resolution_axes(a, b) else (latent,)


def _high_self_attention(spec: UNetSpec) -> tuple[tuple[int, ...], ...]:
    """Layers of self-attention at each site of each path at high resolution, by stage."""
    out = []
    for i, stage in enumerate(spec.stages):
        if spec.latent_size // 2**i > HIGH_RESOLUTION:
            for path in (stage.down, stage.up):
                out.append(tuple(site.depth * path.self_attention for site in path.sites))
    return tuple(depths if any(depths) else () for depths in out)


def _first_stage(spec: UNetSpec) -> tuple[object, ...]:
    """Where the first stage has transformer layers, and whether they read the text."""
    first = spec.stages[0]
    return tuple(
        (tuple(site.depth for site in path.sites), path.cross_attention)
        for path in (first.down, first.up)
        if path.has_transformer
    )


def _positions(spec: UNetSpec) -> bool:
    """Whether attention has rotary positions."""
    return spec.rope
