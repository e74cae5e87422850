"""A network with what is known of it so far, and what it costs to know more.

>>> from search_space.presets import named_spec
>>> candidate = priced(named_spec("F/mqa"), None)
>>> measured(candidate, ("params",), "free")["params"].value
371797252
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from latency_db.latency import Latency
from latency_db.source import LatencySource
from proxies.score import Score
from search_space.cost import Cost, cost
from search_space.errors import WalkbenchError
from search_space.spec import UNetSpec
from studies.metric import Measured, Stage
from studies.metrics import METRICS


@dataclass(frozen=True)
class KnownCandidate:
    """A :class:`studies.metric.Candidate`; the parts that are not known yet are None."""

    network: UNetSpec
    cost: Cost | None = None
    latency: Latency | None = None
    score: Score | None = None


def priced(network: UNetSpec, latency: LatencySource | None) -> KnownCandidate:
    """Return ``network`` with its exact cost and, where there is a source, its latency."""
    candidate = KnownCandidate(network, cost(network))
    return candidate if latency is None else replace(candidate, latency=latency.predict(network))


def measured(
    candidate: KnownCandidate, names: Iterable[str], *stages: Stage
) -> dict[str, Measured]:
    """Return those metrics among ``names`` that belong to ``stages``.

    Raises :class:`WalkbenchError` for one that the candidate lacks something for.
    """
    found: dict[str, Measured] = {}
    for name in names:
        metric = METRICS.get(name)
        if metric.stage not in stages:
            continue
        value = metric.measure(candidate)
        if value is None:
            raise WalkbenchError(f"{name} cannot be measured on this design")
        found[name] = value
    return found
