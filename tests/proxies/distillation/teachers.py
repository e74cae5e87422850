"""Teachers that take milliseconds: a trained twin's checkpoint, a callable, a small transformer."""

import dataclasses

import torch

from proxies.callbacks import Checkpoints
from proxies.data.dataset import shapes
from proxies.distillation.teacher import CallableTeacher, Reads
from proxies.distillation.transformer import TransformerReader
from proxies.testing import TINY_RECIPE, tiny_run
from proxies.trainer import Trainer, train_run
from search_space.initialise import initialise

LATENT = 16
DATA = {"latent": LATENT, "width": 8}


def checkpoint(folder, steps=4, network=None, **changes):
    """Train a twin and return its checkpoint's path, as text."""
    path = folder / "teacher.safetensors"
    if not path.exists():
        train_run(tiny_run(network, steps=steps, **{**DATA, **changes}), [Checkpoints(path)])
    return str(path)


def run_by(objective, steps=3, network=None, **changes):
    """Return the run of a tiny student by ``objective``."""
    recipe = dataclasses.replace(changes.pop("recipe", TINY_RECIPE), objective=objective)
    return tiny_run(network, steps=steps, recipe=recipe, **{**DATA, **changes})


def student(objective, **changes) -> Trainer:
    """Return a student that has not made a step."""
    return Trainer(run_by(objective, **changes))


def data(size=LATENT, count=64):
    return shapes("train", count, size)


def transformer(size=LATENT, channels=3, layers=2):
    """A DiT with SD3's blocks on the same pictures, with weights from a seed."""
    from diffusers import SD3Transformer2DModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SD3Transformer2DModel(
            sample_size=size, patch_size=2, in_channels=channels, num_layers=layers,
            attention_head_dim=8, num_attention_heads=2, joint_attention_dim=16,
            caption_projection_dim=16, pooled_projection_dim=16, out_channels=channels,
            pos_embed_max_size=size // 2,
        )  # fmt: skip
        reader = TransformerReader(model, data(size).vocabulary, 12)
    initialise(reader.words, 0)
    return reader


def zero(x_t, t, text, labels):
    return torch.zeros_like(x_t)


def callable_teacher(function=zero, **reads):
    return CallableTeacher(function, digest="function", reads=Reads(**reads))
