"""`Sought`: what a study searches for, as far as a sampler may know it before anything trains.

>>> from search_space.space import SearchSpace
>>> Sought(SearchSpace.load("pocket"), ("proxy_loss", "params")).budgets
{}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from latency_db.source import LatencySource
from search_space.design_space import DesignSpace


@dataclass(frozen=True)
class Sought:
    """Space, objectives and budgets of a study, and the source of its latencies."""

    space: DesignSpace
    objectives: tuple[str, ...]
    budgets: Mapping[str, float] = field(default_factory=dict)
    latency: LatencySource | None = None
    seed: int = 0
