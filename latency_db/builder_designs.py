"""Which designs a table is for: named ones, those a space holds, and a sample of the space.

>>> chosen = designs(space="pocket", samples=2, width=64, latent=32)
>>> list(chosen.named)[:2], len(chosen.sampled), chosen.sampled[0].latent_size
(['M/thin', 'M/no-high-res-sa'], 2, 32)
"""

from collections.abc import Sequence
from dataclasses import dataclass

from latency_db.builder_chain import Subject
from latency_db.builder_plan import plan_blocks
from latency_db.builder_width import with_first_width
from search_space.errors import WalkbenchError
from search_space.load import load_spec
from search_space.network import Network
from search_space.plan import plan
from search_space.presets import all_named
from search_space.sample import draw_distinct
from search_space.space import SearchSpace
from search_space.spec import UNetSpec

ALL = "all"  # as the only spec: every named design


@dataclass(frozen=True)
class Designs:
    """Named designs by name, sampled ones in the order they were drawn."""

    named: dict[str, UNetSpec]
    sampled: list[UNetSpec]


def designs(
    specs: Sequence[str] = (),
    space: str | None = None,
    samples: int = 0,
    seed: int = 0,
    width: int | None = None,
    latent: int | None = None,
    named: bool = True,
) -> Designs:
    """Return the requested designs, at a first width of ``width`` where one is given.

    ``specs`` of "all" alone are all named designs. Without ``specs`` the named designs inside
    ``space``, without a space all of them; ``named`` False leaves them out, of what is drawn too.
    ``samples`` are drawn from ``space``.
    """
    if samples and space is None:
        raise WalkbenchError(f"{samples} samples need a space to draw from; name it with --space")
    loaded = SearchSpace.load(space) if space is not None else None
    if list(specs) == [ALL]:
        chosen = all_named()
    elif specs:
        chosen = {name: load_spec(name) for name in specs}
    elif named:
        chosen = {n: s for n, s in all_named().items() if loaded is None or s in loaded}
    else:
        chosen = {}
    without = () if named else all_named().values()
    drawn = draw_distinct(loaded, samples, seed, without) if loaded is not None and samples else []
    return Designs(
        {name: _sized(spec, width, latent) for name, spec in chosen.items()},
        [_sized(spec, width, latent) for spec in drawn],
    )


def subjects(chosen: Designs, networks: Sequence[Network] = ()) -> list[Subject]:
    """Return blocks in the order that pays soonest, each network right after its last block."""
    order: list[Subject] = []
    listed: set[Subject] = set()
    waiting = {spec: {b for b, _ in plan(spec).blocks()} for spec in networks}
    for planned in plan_blocks(chosen.named, [*chosen.sampled, *networks]).blocks:
        order.append(planned.block)
        listed.add(planned.block)
        for spec in [spec for spec, needs in waiting.items() if needs <= listed]:
            order.append(spec)
            del waiting[spec]
    return order


def _sized(spec: UNetSpec, width: int | None, latent: int | None) -> UNetSpec:
    if width is not None:
        return with_first_width(spec, width, latent or spec.latent_size)
    return spec if latent is None else spec.replace(latent_size=latent)
