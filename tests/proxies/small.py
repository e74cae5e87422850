"""A spec whose twin trains in milliseconds, and runs of it."""

import dataclasses

from proxies.callbacks import Checkpoints, Report
from proxies.compute import Compute
from proxies.recipe import Budget, Recipe
from proxies.trainer import Trainer, train_run
from proxies.training_run import TrainingRun, TrainingSettings
from search_space.spec import Context, Mid, Path, Site, Stage, UNetSpec

RECIPE = Recipe(batch=8, warm_up=5, train_images=64, validation_images=32)
_COMPUTE = {field.name for field in dataclasses.fields(Compute)}


def small_spec(depth: int = 1, **changes) -> UNetSpec:
    """Two stages, one site each way; attention in the lower one."""
    plain, attends = Path((Site(),)), Path((Site(depth),), True, True)
    stages = (
        Stage(256, 4, 64, plain, plain, kv_heads=4),
        Stage(512, 8, 64, attends, attends, kv_heads=8),
    )
    return UNetSpec(stages, Mid(), time_width=512, context=Context(768, 77)).replace(**changes)


def small_run(spec=None, steps=None, seconds=None, validate_at=(), **changes) -> TrainingRun:
    """A run of ``spec``; ``changes`` are fields of its settings and of its `Compute`."""
    compute = {name: changes.pop(name) for name in list(changes) if name in _COMPUTE}
    settings = TrainingSettings(
        Budget(steps, seconds), **{"recipe": RECIPE, "compute": Compute(**compute), **changes}
    )
    return settings.run(spec or small_spec(), validate_at=validate_at)


def made(spec=None, data=None, **changes) -> Trainer:
    """A trainer that has not made a step."""
    return Trainer(small_run(spec, **{"steps": 1, **changes}), data=data)


def score_of(spec=None, progress=None, checkpoint=None, **changes):
    """Train a run to its end, with progress and checkpoints where they are given."""
    callbacks = [] if checkpoint is None else [Checkpoints(checkpoint)]
    callbacks += [] if progress is None else [Report(progress)]
    return train_run(small_run(spec, **changes), callbacks)
