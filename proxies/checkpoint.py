"""Checkpoints of a proxy run: what a killed run needs to go on as if nothing had happened.

A checkpoint holds the weights, their average, the optimizer's moments, the state of the random
stream and the counters, so the run that goes on agrees with the uninterrupted one to the last bit.
It is a safetensors file (no code inside, unlike a pickle). It replaces its predecessor only when it
is complete: a kill or a full disk in the middle of writing leaves the one before.

>>> import tempfile
>>> from proxies.recipe import Budget, Recipe
>>> from proxies.trainer import Trainer
>>> from proxies.training_run import TrainingSettings
>>> from search_space.presets import named_spec
>>> recipe = Recipe(batch=2, train_images=16, validation_images=8)
>>> run = TrainingSettings(Budget(steps=1), width=8, recipe=recipe).run(named_spec("F/mqa"))
>>> trainer = Trainer(run)
>>> trainer.advance(Budget(steps=1))
>>> with tempfile.TemporaryDirectory() as folder:
...     save(trainer, Path(folder) / "run.safetensors")
...     again = Trainer(run)
...     restore(again, Path(folder) / "run.safetensors")
>>> again.step
1
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from proxies.objectives.protocol import ReadsFiles, Remembers
from proxies.setting import as_dict
from search_space.atomic import atomic_write
from search_space.errors import WalkbenchError

if TYPE_CHECKING:
    from proxies.trainer import Trainer

FORMAT = 1  # bumped when the file changes meaning
BEFORE = {"precision": "float32", "compiled": False}  # what files without these fields were


OWN = "objective."  # before the names of what a loss remembers


class CannotSave(WalkbenchError):
    """A checkpoint cannot be written: the disk is full, perhaps."""


def save(trainer: "Trainer", path: Path) -> None:
    """Write the state of ``trainer`` to ``path``, in place of what was there.

    Raises :class:`CannotSave` when it cannot be written; the checkpoint before is still there.
    """
    try:
        with atomic_write(path) as partial:
            save_file(_tensors(trainer), partial, metadata={"run": json.dumps(_facts(trainer))})
    except (OSError, SafetensorError) as error:
        kept = "the checkpoint before is kept" if path.exists() else "there is none before it"
        raise CannotSave(
            f"checkpoint {str(path)!r} cannot be written: {error}; {kept}; make room or name "
            "another file"
        ) from None


def restore(trainer: "Trainer", path: Path) -> None:
    """Put ``trainer``, freshly made, into the state saved at ``path``.

    Raises :class:`WalkbenchError` for a file that is not a checkpoint, and for one of another run,
    naming what differs.
    """
    tensors, facts = read(path)
    there, here = BEFORE | facts["identity"], _identity(trainer)
    for name in here | there:
        if there.get(name) != here.get(name):
            raise WalkbenchError(
                f"checkpoint {str(path)!r} is of another run: {name} is {there.get(name)!r} there "
                f"and {here.get(name)!r} here; remove it or name another file"
            )
    _put(trainer, tensors, facts)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the facts of a checkpoint, ``run`` among them.

    Raises :class:`WalkbenchError` for a file that is none.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WalkbenchError(
            f"checkpoint {str(path)!r} cannot be read: {error}; remove it to start anew"
        ) from None
    return tensors, facts


def _identity(trainer: "Trainer") -> dict[str, Any]:
    """What must agree for a run to go on: JSON types only."""
    settings = trainer.settings
    objective = settings.recipe.objective
    return {
        "format": FORMAT,
        "spec": trainer.run.network.digest(),
        "width": settings.width,
        "latent": settings.latent,
        "seed": settings.seed,
        "data": trainer.data.name,
        "pictures": len(trainer.data),
        "precision": trainer.hardware.precision,
        "compiled": settings.compute.compiled,
        **as_dict(settings.recipe),
        **({"files": objective.content()} if isinstance(objective, ReadsFiles) else {}),
        **(as_dict(settings.budget) if settings.recipe.cooldown else {}),  # decides the rates
    }


def _facts(trainer: "Trainer") -> dict[str, Any]:
    return {
        "identity": _identity(trainer),
        "run": trainer.run.to_dict(),
        "step": trainer.step,
        "seconds": trainer.seconds,
        "loss": trainer.loss,
        "loss_sum": trainer.loss_sum,
        "curve": trainer.curve,
        "averaged_steps": trainer.ema.steps,
        "micro_batch": trainer.gradient.micro_batch,
        **({"ended": trainer.ended} if trainer.ended else {}),
    }


def _tensors(trainer: "Trainer") -> dict[str, Tensor]:
    out = {"generator": trainer.generator.get_state(), **trainer.take.tensors()}
    if isinstance(trainer.loss_function, Remembers):
        own = trainer.loss_function.state()
        out |= {f"{OWN}{name}": tensor.contiguous() for name, tensor in own.items()}
    return out


def _put(trainer: "Trainer", tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    trainer.generator.set_state(tensors["generator"])
    trainer.take.put(tensors, facts["averaged_steps"])
    if isinstance(trainer.loss_function, Remembers):
        own = {k.removeprefix(OWN): v for k, v in tensors.items() if k.startswith(OWN)}
        trainer.loss_function.load(own)
    trainer.ended = facts.get("ended", "")
    trainer.step, trainer.seconds = facts["step"], facts["seconds"]
    trainer.gradient.micro_batch = facts.get("micro_batch", trainer.recipe.batch)
    trainer.loss, trainer.loss_sum = facts["loss"], facts["loss_sum"]
    trainer.curve = [(step, seconds, loss) for step, seconds, loss in facts["curve"]]
