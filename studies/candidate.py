"""A network with what is known of it so far, and what it costs to know more.

>>> from search_space.presets import named_spec
>>> candidate = priced(named_spec("F/mqa"), None)
>>> measured(candidate, ("params",), "free")["params"].value
371797252
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from latency_db.latency import Latency
from latency_db.source import LatencySource
from proxies.score import Score
from search_space.cost import Cost, cost
from search_space.errors import WalkbenchError
from search_space.network import Network
from search_space.picture import PictureSpec
from search_space.program import is_several, programs_of
from studies.metric import Measured, Stage
from studies.metrics import METRICS


@dataclass(frozen=True)
class KnownCandidate:
    """A :class:`studies.metric.Candidate`; the parts that are not known yet are None."""

    network: Network
    cost: Cost | None = None
    latency: Latency | None = None
    score: Score | None = None
    programs: Mapping[str, Latency] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of the network."""
        return self.network.kind


def priced(network: Network, latency: LatencySource | None) -> KnownCandidate:
    """Return ``network`` with its exact cost and, where there is a source, its latency."""
    return timed(KnownCandidate(network, cost(network)), latency)


def timed(candidate: KnownCandidate, latency: LatencySource | None) -> KnownCandidate:
    """Return ``candidate`` with its latency, and that of each of its programs, by a source."""
    if latency is None:
        return candidate
    network = candidate.network
    programs = programs_of(network) if is_several(network) else ()
    return replace(
        candidate,
        latency=latency.predict(network),
        programs={one.name: latency.predict(one) for one in programs},
    )


def trained_part(network: Network) -> Network:
    """Return what a proxy trains of a candidate: the UNet of a picture, else the network itself."""
    return network.unet if isinstance(network, PictureSpec) else network


def trained_parts(network: Network) -> tuple[Network, ...]:
    """Return every network of a candidate that a study trains."""
    return (network.unet, network.decoder) if isinstance(network, PictureSpec) else (network,)


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
