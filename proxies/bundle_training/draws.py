"""What a step sees: pictures, captions, noise and times, a function of seed and step alone.

Nothing of it depends on how many processes train or on what was drawn before: a run that goes on
from a checkpoint sees what it would have seen, and two processes see the halves of what one sees.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from proxies.bundle_training.data import Loaded
from proxies.draw import Draw
from proxies.flow_matching import shifted, stratified_times
from proxies.train_config import TrainConfig
from search_space.initialise import stream


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws the batches of one run for process ``rank`` of ``processes``.

    ``empty`` is the text of no caption, (T,) or (T, W); ``classes`` the number of classes of the
    design, the last of which stands for none.
    """

    data: Loaded
    config: TrainConfig
    empty: Tensor
    classes: int = 0
    rank: int = 0
    processes: int = 1

    @property
    def share(self) -> int:
        """Pictures of this process in a batch."""
        return self.config.run.batch // self.processes

    def __call__(self, step: int) -> Draw:
        """Return this process's share of the batch of ``step``, on the CPU."""
        run, flow = self.config.run, self.config.flow
        generator = stream(run.seed, f"step {step}")
        rows = self._rows(generator)
        t = stratified_times(run.batch, generator, flow.time_mean, flow.time_std)
        dropped = torch.rand(run.batch, generator=generator) < self.config.conditions.dropout
        mine = slice(self.rank * self.share, (self.rank + 1) * self.share)
        x0, text, labels = self.data.train.batch(rows[mine])
        if not self.config.compute.channels_last:
            x0 = x0.contiguous()
        noise = torch.empty_like(x0)
        for i in range(self.share):
            number = mine.start + i
            noise[i].normal_(generator=stream(run.seed, f"noise {step} {number}"))
        text = text.clone()
        text[dropped[mine]] = self.empty
        if self.classes:
            labels = torch.where(dropped[mine], self.classes - 1, labels % self.classes)
        return Draw(x0, noise, shifted(t, flow.shift)[mine], text, labels)

    def _rows(self, generator: torch.Generator) -> Tensor:
        """Return rows of one shape, shapes as often as they have pictures."""
        groups = self.data.groups
        if len(groups) == 1:
            chosen = groups[0]
        else:
            sizes = torch.tensor([len(group) for group in groups], dtype=torch.float)
            chosen = groups[int(torch.multinomial(sizes, 1, generator=generator))]
        return chosen[torch.randint(len(chosen), (self.config.run.batch,), generator=generator)]
