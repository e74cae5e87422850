"""The twin that a proxy trained, as an export: what a study looked at, loadable and drawable.

A proxy trains a narrow copy of the design on pictures of captions, not the design. Its export has
the averaged weights of that copy, the linear guess they add to, and the table that turns captions
into embeddings. The weights come from a checkpoint of `walkbench proxy run`, or from training the
trial again, which repeats it to the last bit on the same machine.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from proxies.callbacks import Callback
from proxies.checkpoint import restore
from proxies.distillation.lora import merged
from proxies.model import TEXT_PARTS, Learner
from proxies.recipe import Budget
from proxies.trainer import Trainer
from proxies.training_run import TrainingRun
from search_space.errors import WalkbenchError
from studies.export_design import Exportable
from studies.export_weights import Spec


@dataclass(frozen=True, eq=False)
class TwinWeights:
    """The averaged weights of a trained twin, and its table of captions."""

    state: Mapping[str, Tensor]
    captions: Mapping[str, Tensor]
    facts: dict[str, Any]
    moments: dict[str, float] | None

    def tensors(self, spec: Spec, unet: nn.Module) -> Iterator[tuple[str, Tensor]]:
        """Yield them in the order of ``unet``."""
        for name, _ in unet.named_parameters():
            yield name, self.state[name]


def twin_of_checkpoint(design: Exportable, path: Path) -> tuple[Exportable, TwinWeights]:
    """Return the twin and weights that `walkbench proxy run --checkpoint` saved at ``path``.

    Raises :class:`WalkbenchError` for a file that is no such checkpoint or of another design.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            run = TrainingRun.from_dict(json.loads((file.metadata() or {})["run"])["run"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WalkbenchError(
            f"checkpoint {str(path)!r} is none of `walkbench proxy run`: {error}; name another, or "
            "take --weights checkpoint"
        ) from None
    if run.network.digest() != design.spec.digest():
        raise WalkbenchError(
            f"checkpoint {str(path)!r} is of the design {run.network.digest()}, not of "
            f"{design.spec.digest()}; name the design it belongs to"
        )
    trainer = Trainer(run)
    restore(trainer, path)
    return _twin(design, trainer)


def twin_of_trial(
    design: Exportable, storage: str | None, callbacks: tuple[Callback, ...] = ()
) -> tuple[Exportable, TwinWeights]:
    """Train the twin of a study's trial again, for as many steps, and return it.

    Raises :class:`WalkbenchError` for a design that no trial has trained, and for a study whose
    training is not recorded.
    """
    from studies.front_seeds import settings_of
    from studies.reading import study_data
    from studies.store import open_storage, open_study, storage_url

    if design.trial is None or not (design.score and design.score.get("fidelity")):
        raise WalkbenchError(
            "--weights proxy needs a trial that was trained, or the file of `walkbench proxy run "
            "--checkpoint`; name it with --checkpoint"
        )
    opened = open_study(open_storage(storage_url(storage)), design.trial["study"])
    settings = settings_of(study_data(opened))
    steps = int(design.score["fidelity"]["steps"])
    trainer = Trainer(settings.run(design.spec), callbacks)
    trainer.advance(Budget(steps=steps))
    if trainer.failed:
        raise WalkbenchError(f"the twin of trial {design.trial['number']} failed: {trainer.failed}")
    return _twin(design, trainer)


def _twin(design: Exportable, trainer: Trainer) -> tuple[Exportable, TwinWeights]:
    learner = trainer.learner
    if not isinstance(learner, Learner):
        raise WalkbenchError("the proxy trained another kind of network than a UNet")
    with trainer.averaged():
        held = {name: value.detach().cpu().clone() for name, value in learner.named_parameters()}
    held = merged(learner, held)
    inside = {name.removeprefix("unet."): v for name, v in held.items() if name.startswith("unet.")}
    captions = {name: v for name, v in held.items() if name.partition(".")[0] in TEXT_PARTS}
    facts = {
        "kind": "proxy",
        "twin_of": design.spec.digest(),
        "steps": trainer.step,
        "width": trainer.settings.width,
        "data": trainer.data.name,
        "run": trainer.run.digest(),
    }
    called = f"twin of {design.name or design.spec.digest()}"
    shown = replace(design, spec=learner.spec, name=called, latency=None)
    return shown, TwinWeights(inside, captions, facts, asdict(learner.moments))
