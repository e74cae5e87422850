"""Training runs of the decoders of pictures: each decoder trains once for a storage.

A decoder's twin trains for as long as its UNet's, to reconstruct the same pictures. Its run is one
like any other: with checkpoints, stored with the trial that made it, and taken over by later ones,
also where it has failed.

>>> from proxies.recipe import Budget
>>> from proxies.training_run import TrainingSettings
>>> (rung,) = decoder_rungs([Rung(TrainingSettings(Budget(steps=300)), seeds=3)])
>>> rung.seeds, rung.settings.recipe.objective.kind
(1, 'reconstruction')
"""

from collections.abc import Sequence
from dataclasses import replace

from proxies.objectives.reconstruction import Reconstruction
from proxies.score import Score
from search_space.errors import WalkbenchError
from studies.rungs import Rung

RANGE = 2.0  # of a picture's values, from -1 to 1


def decoder_rungs(rungs: Sequence[Rung]) -> tuple[Rung, ...]:
    """Return how decoders train where UNets train on ``rungs``: under the first seed alone."""
    return tuple(_of_decoders(rung) for rung in rungs)


def _of_decoders(rung: Rung) -> Rung:
    recipe = replace(rung.settings.recipe, objective=Reconstruction())
    return replace(rung, settings=replace(rung.settings, recipe=recipe), seeds=1)


def decoder_error(score: Score) -> float:
    """Return the mean squared error that the PSNR of a decoder's run stands for."""
    if score.quality is None:
        raise WalkbenchError(
            "the decoder's run has no PSNR; train it with objective reconstruction"
        )
    return float(RANGE**2 * 10 ** (-score.quality.psnr / 10))
