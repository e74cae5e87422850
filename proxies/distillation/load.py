"""`load_teacher(name, data)`: the teacher that a recipe names.

A name that was registered (`proxies.distillation.teacher.TEACHERS`), a checkpoint of `walkbench
proxy run`, a folder that `walkbench export` or `walkbench train` wrote, or a folder with a
transformer of diffusers. Weights are the averaged ones where there are such.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from proxies.bundle_training.learner import BundleLearner
from proxies.bundle_training.words import WordTable
from proxies.data.training_data import TrainingData
from proxies.distillation.features import last_transformer, layers_of
from proxies.distillation.teacher import PREDICTS, TEACHERS, ModuleTeacher, Reads, Teacher
from proxies.distillation.transformer import transformer_teacher
from proxies.distillation.translation import Translated, book_of, numbers, translation
from proxies.flow_matching import Moments
from proxies.model import Learner
from search_space.diffusers_bridge.transformer import load_transformer, transformer_folder
from search_space.errors import WalkbenchError
from search_space.exported import (
    CAPTIONS_FILE,
    SCHEDULER_FOLDER,
    SPEC_FILE,
    load_exported,
    stored_weights,
)
from search_space.registry import Registry
from search_space.spec import UNetSpec
from search_space.weight_file import read_weights

if TYPE_CHECKING:  # a run's settings name objectives, which come here for their teachers
    from proxies.training_run import TrainingRun

TWINS: Registry[Callable[[Path], "tuple[Learner, TrainingRun, TrainingData]"]] = Registry(
    "file with a trained twin", {"checkpoint": "proxies.trained_twin:trained_twin"}
)
_ADVICE = (
    "name a checkpoint of `walkbench proxy run`, a folder that `walkbench export` or `walkbench "
    "train` wrote, or one with a transformer of diffusers"
)


def load_teacher(name: str | None, data: TrainingData) -> Teacher:
    """Return the teacher called ``name``, frozen, on the CPU.

    Raises :class:`WalkbenchError` where there is none, or it does not read captions of ``data``.
    """
    named = check_teacher(name)
    return TEACHERS.get(named)(data) if named in TEACHERS.names() else _read(named, data)


def check_teacher(name: str | None) -> str:
    """Return the name of a teacher that is there; raises :class:`WalkbenchError` for others."""
    if name is None:
        raise WalkbenchError(f"distillation needs a teacher; {_ADVICE}")
    if name not in TEACHERS.names() and not Path(name).exists():
        registered = "".join(f", or {known}" for known in TEACHERS.names())
        raise WalkbenchError(f"teacher {name!r} does not exist; {_ADVICE}{registered}")
    return name


def check_start(name: str) -> Path:
    """Return the path of a checkpoint that is there."""
    if not Path(name).is_file():
        raise WalkbenchError(
            f"start {name!r} does not exist; name a checkpoint of `walkbench proxy run`"
        )
    return Path(name)


def _read(name: str, data: TrainingData) -> Teacher:
    path, digest = Path(name), content_of(name)
    if path.is_file():
        return _of_checkpoint(path, data, digest)
    if (path / SPEC_FILE).is_file():
        return _of_export(path, data, digest)
    folder = transformer_folder(path)
    if folder is None:
        raise WalkbenchError(f"teacher {name!r} is none; {_ADVICE}")
    found = transformer_teacher(
        load_transformer(folder), folder, data, name=name, digest=digest or name
    )
    found.reads = replace(found.reads, predicts=_prediction(path))
    return found


def content_of(name: str | None) -> str | None:
    """Return 12 hex digits of the files that make a teacher; its name where it is registered."""
    if name is None or name in TEACHERS.names() or not Path(name).exists():
        return name
    path = Path(name)
    files = [path] if path.is_file() else sorted(path.rglob("*.safetensors"))
    files += [] if path.is_file() else sorted(path.rglob("*.json"))
    stamps = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    return _content(stamps)


@lru_cache(maxsize=64)
def _content(stamps: tuple[tuple[str, int, int], ...]) -> str:
    total = hashlib.sha256()
    for place, _, _ in stamps:
        with Path(place).open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:12]


def _of_checkpoint(path: Path, data: TrainingData, digest: str | None) -> Teacher:
    learner, run, taught_on = TWINS.get("checkpoint")(path)
    spec, settings = learner.spec, run.settings
    reads = Reads(spec.in_channels, settings.latent, vae=settings.data.vae)
    table = translation(str(path), data, taught_on)
    module = learner if table is None else Translated(learner, table)
    return _teacher(module, learner.unet, spec, reads, str(path), digest)


def _of_export(folder: Path, data: TrainingData, digest: str | None) -> Teacher:
    unet = load_exported(folder)
    spec, stored = unet.spec, stored_weights(folder)
    moments = None if stored.moments is None else Moments(**stored.moments)
    predicts = _prediction(folder)
    reads = Reads(spec.in_channels, spec.latent_size, predicts)
    state = {name: value.float() for name, value in unet.state_dict().items()}
    captions = folder / CAPTIONS_FILE
    if captions.is_file():
        table = read_weights(captions)
        if moments is None:
            raise WalkbenchError(f"twin {str(folder)!r} lacks the moments of its linear guess")
        rows = len(table["words.weight"])
        if not data.text_width and rows != data.vocabulary:
            raise WalkbenchError(_words_differ(str(folder), rows, data))
        learner = Learner(spec, data.vocabulary, moments, data.text_width)
        learner.load_state_dict({**{f"unet.{k}": v for k, v in state.items()}, **table})
        return _teacher(learner, learner.unet, spec, reads, str(folder), digest)
    reader = _Exported(spec, moments, data, folder)
    reader.learner.unet.load_state_dict(state)
    return _teacher(reader, reader.learner.unet, spec, reads, str(folder), digest)


class _Exported(nn.Module):
    """The network of an export, with its own table of words: numbers are translated by word."""

    def __init__(
        self, spec: UNetSpec, moments: Moments | None, data: TrainingData, folder: Path
    ) -> None:
        super().__init__()
        self.classes = spec.conditions.classes
        table_of_numbers: Tensor | None = None
        words: WordTable | None = None
        if not data.text_width:
            weights = read_weights(folder / "text_encoder" / "model.safetensors")
            table = weights["text_model.embeddings.token_embedding.weight"]
            places = weights["text_model.embeddings.position_embedding.weight"]
            words = WordTable(len(table), len(places), table.shape[1])
            words.words.weight.data.copy_(table)
            words.places.weight.data.copy_(places)
            words.norm.weight.data.copy_(weights["text_model.final_layer_norm.weight"])
            words.norm.bias.data.copy_(weights["text_model.final_layer_norm.bias"])
            table_of_numbers = _numbers(folder, data)
        elif data.text_width != spec.context.given_width:
            raise WalkbenchError(
                f"teacher {str(folder)!r} reads text {spec.context.given_width} wide and the data "
                f"have {data.text_width}; use a teacher of the same text encoder"
            )
        self.learner = BundleLearner(spec, moments, words)
        self.register_buffer("numbers", table_of_numbers, persistent=False)

    def forward(self, x_t: Tensor, t: Tensor, text: Tensor, labels: Tensor) -> Tensor:
        known = self._buffers["numbers"]
        read = text if known is None else known[text]
        out: Tensor = self.learner(x_t, t, read, labels % max(1, self.classes))
        return out


def _numbers(folder: Path, data: TrainingData) -> Tensor:
    """Return the number that the export's tokenizer gives each word of ``data``, (V,)."""
    own = book_of(data)
    if not own:
        raise WalkbenchError(
            f"the words of data {data.name!r} have no names by which teacher {str(folder)!r} "
            "could know them; use a checkpoint of `walkbench proxy run` on these data as teacher"
        )
    try:
        text = (folder / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8")
        book: dict[str, int] = json.loads(text)["model"]["vocab"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WalkbenchError(
            f"teacher {str(folder)!r} has no tokenizer of words ({error}); {_ADVICE}"
        ) from None
    return numbers(str(folder), own, book)


def _words_differ(name: str, rows: int, data: TrainingData) -> str:
    return (
        f"teacher {name!r} knows {rows} words and data {data.name!r} have {data.vocabulary}; use a "
        "teacher that was trained on these captions"
    )


def _teacher(
    module: nn.Module,
    root: nn.Module,
    spec: UNetSpec,
    reads: Reads,
    name: str,
    digest: str | None,
) -> Teacher:
    plan = spec.plan()
    return ModuleTeacher(
        module,
        reads,
        name=name,
        digest=digest or name,
        root=root,
        layers=layers_of(plan),
        last_layer=last_transformer(plan),
    )


def _prediction(folder: Path) -> str:
    """Return what the network in ``folder`` predicts, as its sampler's config says."""
    path = folder / SCHEDULER_FOLDER / "scheduler_config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return PREDICTS
    said = str(config.get("prediction_type", "epsilon"))
    is_flow = "FlowMatch" in str(config.get("_class_name")) or said == "flow_prediction"
    return PREDICTS if is_flow else said
