"""What a study tells a greybox search: its axes, how designs are priced, its budgets.

Everything inside is minimised: a maximised metric is negated, and so is its budget.
"""

import math
from collections.abc import Callable

from search_space.errors import WalkbenchError
from search_space.network import Network
from search_space.picture import PictureSpec
from search_space.presets import name_of
from studies.candidate import measured, priced
from studies.greybox.pool import PoolSize
from studies.greybox.prices import Priced
from studies.greybox.proposal import NoDesignWithinBudgets, Search
from studies.greybox.sampler import GreyboxSampler
from studies.greybox.switches import Switches
from studies.metrics import METRICS
from studies.sought import Sought

_PROBES = PoolSize(base=32, fresh=24, single=48, moved=8, double=16, crossed=16)


def informed(sought: Sought) -> Callable[[int], GreyboxSampler]:
    """Return how to make the sampler of a trial from its seed.

    Raises :class:`WalkbenchError` for objectives with two that need training.
    """
    search = search_for(sought, PoolSize())
    return lambda seed: GreyboxSampler(search, sought.objectives, seed)


def search_for(sought: Sought, size: PoolSize) -> Search:
    """Return the search for what a study seeks, with pools of ``size``."""
    cheap = tuple(n for n in sought.objectives if METRICS.get(n).stage != "trained")
    names = tuple(dict.fromkeys([*cheap, *sought.budgets]))

    def price(design: Network) -> dict[str, float]:
        found = measured(priced(design, sought.latency), names, "free", "lookup")
        return {n: METRICS.get(n).oriented(float(m.value)) for n, m in found.items()}

    budgets = {n: METRICS.get(n).oriented(limit) for n, limit in sought.budgets.items()}
    trained = len(cheap) < len(sought.objectives)
    prices = Priced(Switches.of(sought.space), names, price)
    return Search(prices, cheap, budgets, trained, sought.seed, size)


def check_budgets(sought: Sought) -> None:
    """Raise :class:`WalkbenchError` with the closest design found where none keeps the budgets."""
    if not sought.budgets:
        return
    search = search_for(sought, _PROBES)
    if len(search.base[0]):
        return
    try:
        search.descend()
    except NoDesignWithinBudgets as nothing:
        if not all(map(math.isfinite, nothing.prices.values())):
            return  # nothing can be priced: the first trials say why
        limits = " and ".join(METRICS.get(n).limit(v) for n, v in sought.budgets.items())
        _, design = search.prices.switches.settle(nothing.levels)
        found = measured(priced(design, sought.latency), sought.budgets, "free", "lookup")
        closest = ", ".join(
            f"{METRICS.get(n).title} {METRICS.get(n).write(m)}" for n, m in found.items()
        )
        raise WalkbenchError(
            f"no design of space {sought.space.name!r} keeps {limits}; the closest that was found, "
            f"{_called(design)}, has {closest}; widen [budgets] or the space"
        ) from None


def _called(design: Network) -> str:
    """Return how a message names a design: by digest, with the parts of a picture."""
    if not isinstance(design, PictureSpec):
        return design.digest()
    unet, decoder = (name_of(part) or part.digest() for part in (design.unet, design.decoder))
    return (
        f"{design.digest()} (UNet {unet}, decoder {decoder}, steps {design.steps}, "
        f"bits {design.bits}{', guided' if design.guidance else ''})"
    )
