"""`Processes`: those of one training, as `accelerate launch` started them, or this one alone.

accelerate says which device is whose and carries sums between them. Gradients lie in a few long
vectors (:mod:`proxies.flat`), so their mean takes one exchange per vector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from search_space.errors import WalkbenchError


@dataclass(frozen=True, eq=False)
class Processes:
    """Who trains: ``rank`` of ``count``, on ``device``."""

    accelerator: Any
    rank: int
    count: int
    device: str

    @classmethod
    def here(cls) -> "Processes":
        """Ask accelerate; raises :class:`WalkbenchError` where it is not installed."""
        try:
            from accelerate import Accelerator
        except ImportError:
            raise WalkbenchError(
                "`walkbench train` needs accelerate; pip install 'walkbench[train]'"
            ) from None
        found = Accelerator()
        return cls(found, found.process_index, found.num_processes, str(found.device))

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def mean(self, gradients: Sequence[Tensor]) -> None:
        """Replace vectors by their means over all processes."""
        if self.count > 1:
            for gradient in gradients:
                gradient.copy_(self.accelerator.reduce(gradient, reduction="mean"))

    def agreed(self, loss: Tensor, stop: bool) -> tuple[float, bool]:
        """Return the mean of ``loss``, (), and whether any process wants to stop."""
        both = torch.stack([loss.float(), loss.new_tensor(float(stop), dtype=torch.float)])
        if self.count > 1:
            both = self.accelerator.reduce(both, reduction="sum")
        values = both.tolist()
        return values[0] / self.count, values[1] > 0

    def wait(self) -> None:
        """Wait for the other processes."""
        if self.count > 1:
            self.accelerator.wait_for_everyone()
