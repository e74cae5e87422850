"""Training methods: an objective is a recipe's choice of a loss, with the settings of that loss.

Objectives are small frozen dataclasses that import no torch. A training method is added by one
module, which holds the dataclass and its loss, and one entry of ``OBJECTIVES``; code outside of
Walkbench calls ``OBJECTIVES.register``. :mod:`proxies.objectives.protocol` says what they offer.

>>> OBJECTIVES.names(), OBJECTIVES.get("flow-matching")()
(('flow-matching', 'reconstruction', 'distillation', 'stage-wise', 'adversarial',
'distribution-matching'), FlowMatching())
"""

from proxies.objectives.distillation import Distillation
from proxies.objectives.few_step import Adversarial, DistributionMatching
from proxies.objectives.flow_matching import FlowMatching
from proxies.objectives.protocol import TrainingObjective
from proxies.objectives.reconstruction import Reconstruction
from proxies.objectives.stage_wise import StageWise
from search_space.registry import Registry

__all__ = [
    "OBJECTIVES",
    "Adversarial",
    "Distillation",
    "DistributionMatching",
    "FlowMatching",
    "Reconstruction",
    "StageWise",
    "TrainingObjective",
]

OBJECTIVES: Registry[type[TrainingObjective]] = Registry(
    "objective",
    {
        FlowMatching.kind: FlowMatching,
        Reconstruction.kind: Reconstruction,
        Distillation.kind: Distillation,
        StageWise.kind: StageWise,
        Adversarial.kind: Adversarial,
        DistributionMatching.kind: DistributionMatching,
    },
)
