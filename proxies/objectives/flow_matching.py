"""Flow matching: the mean squared error of the predicted velocity (:mod:`proxies.flow_matching`).

>>> FlowMatching.kind
'flow-matching'
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from proxies.objectives.protocol import Loss, Setup


@dataclass(frozen=True)
class FlowMatching:
    """Learn the velocity from picture to noise; it has no settings of its own."""

    kind: ClassVar[str] = "flow-matching"

    def prepare(self, setup: "Setup") -> "Loss":
        """Return the loss of one run."""
        from proxies.velocity_loss import VelocityLoss

        return VelocityLoss(setup)
