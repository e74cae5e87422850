"""Training methods: an objective is a recipe's choice of a loss, with the settings of that loss.

Objectives are small frozen dataclasses that import no torch. A training method is added by one
module, which holds the dataclass and its loss, and one entry of ``OBJECTIVES``; code outside of
Walkbench calls ``OBJECTIVES.register``. :mod:`proxies.objectives.protocol` says what they offer.

>>> OBJECTIVES.names(), OBJECTIVES.get("flow-matching")()
(('flow-matching', 'reconstruction'), FlowMatching())
"""

from proxies.objectives.flow_matching import FlowMatching
from proxies.objectives.protocol import TrainingObjective
from proxies.objectives.reconstruction import Reconstruction
from search_space.registry import Registry

__all__ = ["OBJECTIVES", "FlowMatching", "Reconstruction", "TrainingObjective"]

OBJECTIVES: Registry[type[TrainingObjective]] = Registry(
    "objective", {FlowMatching.kind: FlowMatching, Reconstruction.kind: Reconstruction}
)
