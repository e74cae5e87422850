"""What a study tells a greybox search: its axes, how designs are priced, its budgets.

Everything inside is minimised: a maximised metric is negated, and so is its budget.
"""

import math
from collections.abc import Callable

from search_space.errors import WalkbenchError
from search_space.space import SearchSpace
from search_space.spec import UNetSpec
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
    """Return the search for what a study seeks; raises for a space of whole pictures."""
    if not isinstance(sought.space, SearchSpace):
        raise WalkbenchError(
            f"sampler 'greybox' searches spaces of one network; space {sought.space.name!r} is of "
            "whole pictures: use 'tpe'"
        )
    cheap = tuple(n for n in sought.objectives if METRICS.get(n).stage != "trained")
    names = tuple(dict.fromkeys([*cheap, *sought.budgets]))

    def price(design: UNetSpec) -> dict[str, float]:
        found = measured(priced(design, sought.latency), names, "free", "lookup")
        return {n: METRICS.get(n).oriented(float(m.value)) for n, m in found.items()}

    budgets = {n: METRICS.get(n).oriented(limit) for n, limit in sought.budgets.items()}
    trained = len(cheap) < len(sought.objectives)
    prices = Priced(Switches.of(sought.space), names, price)
    return Search(prices, cheap, budgets, trained, sought.seed, size)


def check_budgets(sought: Sought) -> None:
    """Raise :class:`WalkbenchError` with the closest design found where none keeps the budgets."""
    if not sought.budgets or not isinstance(sought.space, SearchSpace):
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
            f"{design.digest()}, has {closest}; widen [budgets] or the space"
        ) from None
