"""`Scaling`: how a distillation loss is weighed against the task's, by time and by size.

SnapGen (arXiv 2412.09619, §3.3): S(task, kd) = E_t[α_t·L_task + (1 − α_t)·(|L_task|/|L_kd|)·L_kd],
where α_t is the density of the logit-normal times over its peak: real data weigh most at middle
times, the teacher at both ends. The ratio makes both losses equally large at every time; it is a
constant to the gradient. Here it is the ratio of two moving averages per share of the times, within
1e-3 and 1e3; a share that no sample has visited takes the ratio of the sample itself.

Either half can be left out: without α both losses weigh ½, without the ratio it is a given weight.

>>> alpha(torch.tensor([0.5, 1.0])).tolist()
[1.0, 0.0]
>>> t, task = torch.rand(8), torch.rand(8)
>>> torch.allclose(Scaling("full").combined("output", t, task, 7 * task), task)
True
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

BINS, DECAY = 32, 0.99
LEAST, MOST = 1e-3, 1e3  # of the ratio
TASK, TAUGHT, SAMPLES = range(3)

Mean = Callable[[Sequence[Tensor]], None]


def alpha(t: Tensor) -> Tensor:
    """Return the logit-normal(0, 1) density of times ``t`` over its peak 4/√(2π), like ``t``."""
    inside = t.double().clamp(1e-9, 1 - 1e-9)
    density = torch.exp(-torch.logit(inside).square() / 2) / (4 * inside * (1 - inside))
    return density.to(t.dtype)


class Scaling:
    """Weighs distillation terms; ``scale`` is one of ``SCALES``, ``weight`` serves without ratio.

    Averages are per term and share of the times. They move once a step, in :meth:`stepped`, so that
    parts of a batch see the same ratios.
    """

    def __init__(self, scale: str, weight: float = 1.0) -> None:
        self.by_time, self.by_ratio = scale in ("alpha", "full"), scale in ("ratio", "full")
        self.weight = weight
        self._averages: dict[str, Tensor] = {}  # (3, BINS) each: task, taught, whether visited
        self._sums: dict[str, Tensor] = {}  # (3, BINS) each, of this step

    def combined(self, term: str, t: Tensor, task: Tensor, taught: Tensor) -> Tensor:
        """Return S of each sample, (B,), for its losses ``task`` and ``taught`` at times ``t``."""
        share: Tensor | float = alpha(t) if self.by_time else 0.5
        ratio: Tensor | float = self.weight
        if self.by_ratio:
            ratio = self._ratio(term, t, task.detach().abs(), taught.detach().abs())
        return share * task + (1 - share) * ratio * taught

    def _ratio(self, term: str, t: Tensor, task: Tensor, taught: Tensor) -> Tensor:
        place = (t * BINS).long().clamp(max=BINS - 1)  # (B,)
        sums = self._of(self._sums, term, t.device)
        sums.index_add_(1, place, torch.stack([task, taught, torch.ones_like(task)]).double())
        averages = self._of(self._averages, term, t.device)[:, place].to(task.dtype)
        visited = averages[SAMPLES] > 0
        above = torch.where(visited, averages[TASK], task)
        below = torch.where(visited, averages[TAUGHT], taught)
        return (above / below.clamp(min=1e-12)).clamp(LEAST, MOST)

    def _of(self, held: dict[str, Tensor], term: str, device: torch.device) -> Tensor:
        if term not in held:
            held[term] = torch.zeros(3, BINS, dtype=torch.float64, device=device)
        return held[term]

    def stepped(self, mean: Mean) -> None:
        """Take this step's losses into the averages; ``mean`` averages sums over processes."""
        mean(list(self._sums.values()))
        for term, sums in self._sums.items():
            averages = self._of(self._averages, term, sums.device)
            seen = sums[SAMPLES] > 0
            found = sums[:SAMPLES] / sums[SAMPLES].clamp(min=1e-12)
            first = averages[SAMPLES] == 0
            decay = torch.where(first, 0.0, DECAY)
            moved = decay * averages[:SAMPLES] + (1 - decay) * found
            averages[:SAMPLES] = torch.where(seen, moved, averages[:SAMPLES])
            averages[SAMPLES] = torch.where(seen, 1.0, averages[SAMPLES])
            sums.zero_()

    def state(self) -> dict[str, Tensor]:
        """Return the averages, for a checkpoint."""
        return {f"ratio.{term}": averages for term, averages in self._averages.items()}

    def load(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Take over what :meth:`state` returned; other names are left alone."""
        for name, averages in state.items():
            if name.startswith("ratio."):
                self._averages[name.removeprefix("ratio.")] = averages.clone().to(device)
