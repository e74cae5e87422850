"""Runs of `walkbench train` that take milliseconds a step."""

from pathlib import Path

import torch

from proxies.bundle_training.data import load
from proxies.bundle_training.learner import learner_of
from proxies.bundle_training.processes import Processes
from proxies.bundle_training.task import VelocityTask
from proxies.bundle_training.trainer import BundleTrainer
from proxies.hardware import Hardware
from proxies.train_config import TrainConfig
from search_space.initialise import initialise
from search_space.spec import Context, Mid, Site, Stage, UNetSpec
from search_space.spec import Path as Sites
from search_space.unet import UNet

RECIPE = TrainConfig().but(
    {
        "data.train_images": 32,
        "data.validation_images": 8,
        "optimizer.warm_up": 2,
        "optimizer.learning_rate": 3e-3,
        "run.steps": 6,
        "run.batch": 4,
        "run.log_every": 1,
        "run.validate_every": 3,
        "run.sample_every": 0,
        "run.checkpoint_every": 2,
    }
)


def tiny_pixels(**changes) -> UNetSpec:
    """A network of two stages that draws 16 × 16 pixels from 12 words."""
    plain, attends = Sites((Site(),)), Sites((Site(1),), True, True)
    stages = (
        Stage(8, 1, 8, plain, plain, kv_heads=1),
        Stage(16, 2, 8, attends, attends, kv_heads=2),
    )
    fields = {"norm_groups": 4, "in_channels": 3, "out_channels": 3, "latent_size": 16}
    fields |= {"context": Context(16, 12), **changes}
    return UNetSpec(stages, Mid(), time_width=16, **fields)


def alone(rank=0, count=1) -> Processes:
    """One process, without accelerate."""
    return Processes(None, rank, count, "cpu")


def trainer_in(folder: Path, data="shapes", spec=None, processes=None, **changes) -> BundleTrainer:
    """A training of initial weights; ``stop`` and ``watchers`` are passed on."""
    options = {name: changes.pop(name) for name in ("stop", "watchers") if name in changes}
    config = RECIPE.but(changes.pop("config", {}))
    spec = spec or tiny_pixels()
    loaded = load(data, spec, config.data)
    moments = loaded.train.moments if config.flow.linear_guess else None
    unet = initialise(UNet(spec), 0)
    learner = learner_of(unet, moments, len(loaded.book), config.run.seed, fresh=True)
    empty = torch.zeros(spec.context.tokens, dtype=torch.long)
    processes = processes or alone()
    hardware = Hardware.of(processes.device, config.compute.precision)
    task = VelocityTask(learner, loaded, config, hardware, empty, processes.rank, processes.count)
    return BundleTrainer(task, config, folder, processes, **options)
