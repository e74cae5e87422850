"""`trained_twin(path)`: the twin that a checkpoint of `walkbench proxy run` has trained."""

from dataclasses import replace
from pathlib import Path

from proxies.checkpoint import read
from proxies.compute import Compute
from proxies.data.training_data import TrainingData
from proxies.model import Learner
from proxies.trainer import Trainer
from proxies.training_run import TrainingRun
from search_space.errors import WalkbenchError


def trained_twin(path: Path) -> tuple[Learner, TrainingRun, TrainingData]:
    """Return the learner of a checkpoint with its averaged weights, on the CPU.

    With it come its run and its data, which are read. Raises :class:`WalkbenchError` for another
    file and for a network that is no UNet.
    """
    tensors, facts = read(path)
    run = TrainingRun.from_dict(facts["run"])
    trainer = Trainer(replace(run, settings=replace(run.settings, compute=Compute())))
    if not isinstance(trainer.learner, Learner):
        raise WalkbenchError(f"checkpoint {str(path)!r} is no UNet's; name one of a UNet")
    trainer.flat.copy_in([tensors[f"average.{i}"] for i in range(len(trainer.flat.weights))])
    return trainer.learner, run, trainer.data
