"""`LastGood`: earlier weights, for runs that may turn bad (a discriminator that wins)."""

from torch import Tensor

from proxies.step import TrainingStep

EVERY = 25  # steps between two copies


class LastGood:
    """Copies the state of ``take`` to the CPU now and then; ``step`` is 0 before the first copy."""

    def __init__(self, take: TrainingStep) -> None:
        self._take, self.step = take, 0
        self._tensors: dict[str, Tensor] = {}
        self._averaged = 0

    def keep(self, step: int) -> None:
        """Copy the state after ``step`` when it is time."""
        if self.step == 0 or step >= self.step + EVERY:
            self._tensors = {k: v.detach().cpu().clone() for k, v in self._take.tensors().items()}
            self._averaged, self.step = self._take.ema.steps, step

    def put_back(self) -> None:
        """Return to the state that was kept."""
        self._take.put(self._tensors, self._averaged)
