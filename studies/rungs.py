"""Rungs: the fidelities that a study trains its designs at, the cheapest first.

Every design is trained on the first rung, and those that :mod:`studies.promotion` chooses climb. A
rung trains one or several seeds; the score of several is their mean. A run on a higher rung goes on
from the checkpoint of the same twin and seed on a lower one. A study without rungs has one.

>>> from proxies.recipe import Budget
>>> from search_space.presets import named_spec
>>> low, high = (Rung(TrainingSettings(Budget(steps=n), width=8), s) for n, s in ((2, 1), (4, 2)))
>>> first, second = high.runs(named_spec("F/mqa"))
>>> [run.settings.budget.steps for run in runs_below((low, high), first)]
[2]
>>> runs_below((low, high), second)
[]
"""

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from proxies.recipe import Budget
from proxies.score import Score
from proxies.training_run import TrainingRun, TrainingSettings
from search_space.errors import WalkbenchError
from search_space.network import Network
from studies.config_table import ConfigTable

SHARE = 1 / 3  # of the designs of a rung climb, unless the config says otherwise


@dataclass(frozen=True)
class Rung:
    """How designs are trained on a rung, under how many seeds, and which share climbs up to it."""

    settings: TrainingSettings
    seeds: int = 1
    share: float = SHARE

    def runs(self, network: Network) -> tuple[TrainingRun, ...]:
        """Return the runs of a design, one for each seed from that of the settings on."""
        first = self.settings.seed
        return tuple(self.settings.run(network, seed) for seed in range(first, first + self.seeds))

    def to_dict(self) -> dict[str, int | None]:
        """Return what decides the scores of a rung beside what all rungs share, as JSON types."""
        settings = self.settings
        return {
            "steps": settings.budget.steps,
            "latent": settings.latent,
            "batch": settings.recipe.batch,
            "seeds": self.seeds,
        }


def digest_of(runs: Sequence[TrainingRun]) -> str:
    """Return 12 hex digits that name runs together; those of the run itself where it is alone."""
    if len(runs) == 1:
        return runs[0].digest()
    return hashlib.sha256("/".join(run.digest() for run in runs).encode()).hexdigest()[:12]


def mean_score(scores: Sequence[Score]) -> Score:
    """Return the mean of the scores of several seeds; the first failed one where one failed.

    Losses are averaged by sample. The standard error has the spread over seeds in it, ``seconds``
    is the sum, and what was measured on pictures is that of the first seed.
    """
    failed = next((score for score in scores if not score.ok), None)
    if len(scores) == 1 or failed is not None:
        return failed or scores[0]
    first, count = scores[0], len(scores)
    seconds = sum(score.fidelity.seconds for score in scores)
    losses = [math.fsum(column) / count for column in zip(*(s.losses for s in scores), strict=True)]
    mean = Score.of_losses(
        losses,
        dataclasses.replace(first.fidelity, seconds=round(seconds, 3)),
        train_loss_sum=math.fsum(score.train_loss_sum for score in scores),
        params=first.params,
        start=first.start,
        picture=first.picture,
    )
    spread = seed_spread([score.value for score in scores])
    return dataclasses.replace(mean, stderr=math.hypot(mean.stderr, spread / math.sqrt(count)))


def seed_spread(losses: Sequence[float]) -> float:
    """Return the standard deviation over seeds, two or more."""
    mean = math.fsum(losses) / len(losses)
    return math.sqrt(math.fsum((loss - mean) ** 2 for loss in losses) / (len(losses) - 1))


def runs_below(rungs: Sequence[Rung], run: TrainingRun) -> list[TrainingRun]:
    """Return the shorter runs of the same twin and seed on lower rungs, the longest first.

    ``run`` is one of a rung; it goes on from the checkpoint of such a run.
    """
    found = []
    for rung in rungs:
        ours = dataclasses.replace(run.settings, budget=rung.settings.budget)
        theirs = dataclasses.replace(rung.settings, seed=run.settings.seed)
        has_seed = 0 <= run.settings.seed - rung.settings.seed < rung.seeds
        if ours == theirs and has_seed and _steps(rung.settings) < _steps(run.settings):
            found.append(dataclasses.replace(run, settings=ours))
    return found[::-1]


def _steps(settings: TrainingSettings) -> float:
    return settings.budget.steps or math.inf


def read_rungs(tables: Sequence[ConfigTable], base: TrainingSettings) -> tuple[Rung, ...]:
    """Return the rungs of a config; what they leave out is that of ``base``.

    Raises :class:`WalkbenchError` for rungs that do not climb, and for a recipe that has annealed
    where the next rung would go on.
    """
    found: list[Rung] = []
    for table in tables:
        steps = table.whole("steps", least=1)
        latent = table.whole("latent", base.latent, least=1)
        batch = table.whole("batch", base.recipe.batch, least=1)
        seeds = table.whole("seeds", 1, least=1)
        share = table.positive("share", SHARE)
        if "share" in table.data and (not found or share >= 1):
            raise table.bad(
                "share", "a share below 1 of the rung below, which the first one does not have,"
            )
        table.done()
        recipe = dataclasses.replace(base.recipe, batch=batch)
        settings = dataclasses.replace(base, budget=Budget(steps), latent=latent, recipe=recipe)
        found.append(Rung(settings, seeds, share))
        for below in found[:-1]:
            _check_above(table, below, found[-1])
    return tuple(found)


def _check_above(table: ConfigTable, below: Rung, rung: Rung) -> None:
    """Raise for a rung that costs no more than the one below, or cannot go on from it."""
    if _cost(rung) <= _cost(below):
        raise WalkbenchError(
            f"{table.where}: [{table.name}] trains no more than the rung before it "
            f"({_cost(rung):,} against {_cost(below):,} pixels of all pictures); put rungs in the "
            "order of their cost, the cheapest first"
        )
    shared = dataclasses.replace(rung.settings, budget=below.settings.budget) == below.settings
    if shared and rung.seeds < below.seeds:
        raise table.bad("seeds", f"at least the {below.seeds} of the rung before it")
    cooldown = rung.settings.recipe.cooldown
    if shared and cooldown and rung.settings.budget != below.settings.budget:
        raise WalkbenchError(
            f"{table.where}: [{table.name}] would go on from runs whose learning rate has fallen "
            f"to zero (cooldown {cooldown:g}), as that of a longer run has not yet; set cooldown = "
            "0 in [proxy], or give each rung another latent or batch, so that it starts anew"
        )


def _cost(rung: Rung) -> int:
    settings = rung.settings
    pictures = (settings.budget.steps or 0) * settings.recipe.batch * rung.seeds
    return int(pictures * settings.latent**2)
