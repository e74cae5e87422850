"""Train an export: find its recipe and weights, train, and write the result as another export.

run = prepare(Path("exported"), "shapes", Path("exported/training"), config, processes)
run.trainer.train()
run.write(Path("exported/training/bundle"))
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from proxies.bundle_training.data import Loaded, load
from proxies.bundle_training.learner import learner_of
from proxies.bundle_training.parts import save_parts
from proxies.bundle_training.processes import Processes
from proxies.bundle_training.task import VelocityTask
from proxies.bundle_training.trainer import BundleTrainer, Watcher
from proxies.bundle_training.words import read_words
from proxies.data.entries import Skipped
from proxies.data.latents import CachedLatents
from proxies.flow_matching import Moments
from proxies.hardware import Hardware
from proxies.train_config import RECIPES, AnyTrainConfig, DecoderTrainConfig, TrainConfig
from search_space.errors import WalkbenchError
from search_space.exported import (
    FACTS_FILE,
    STOCK_CONFIG,
    STOCK_FOLDER,
    exported_kind,
    load_exported,
)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A training made ready: its trainer, what was skipped, and how to ``write`` the result."""

    trainer: BundleTrainer
    skipped: tuple[Skipped, ...]
    write: Callable[[Path], Path]


def prepare(
    folder: Path,
    data: str,
    run: Path,
    config: AnyTrainConfig,
    processes: Processes,
    *,
    stop: Callable[[], bool] = lambda: False,
    watchers: Sequence[Watcher] = (),
) -> Prepared:
    """Make a training of the export in ``folder`` on ``data`` ready; it goes on where one is.

    Raises :class:`WalkbenchError` for a folder that is no export, a recipe of another kind of
    network, data that are missing or do not fit, a damaged checkpoint, and a run of other settings
    in ``run``.
    """
    kind = exported_kind(folder)
    if not isinstance(config, RECIPES.get(kind, ())):
        raise WalkbenchError(
            f"{str(folder)!r} holds a network of kind {kind}, and its train.yaml is the recipe of "
            f"another; export it again (kinds that train: {', '.join(RECIPES)})"
        )
    options: dict[str, Any] = {"stop": stop, "watchers": watchers}
    if isinstance(config, DecoderTrainConfig):
        from studies.decoder_training import picture_task, write_decoder

        pictures = picture_task(folder, data, config, processes)
        trainer = BundleTrainer(pictures, config, run, processes, **options)
        skipped = pictures.parts.skipped
        return Prepared(trainer, skipped, lambda to: write_decoder(folder, trainer, pictures, to))
    task = _velocity_task(folder, data, config, processes)
    trainer = BundleTrainer(task, config, run, processes, **options)
    skipped = task.data.skipped
    return Prepared(trainer, skipped, lambda to: _write_unet(folder, trainer, task, to))


def _velocity_task(
    folder: Path, data: str, config: TrainConfig, processes: Processes
) -> VelocityTask:
    unet = load_exported(folder)
    fresh = _read(folder / FACTS_FILE).get("weights", {}).get("kind", "initial") == "initial"
    earlier = None if fresh else read_words(folder)
    loaded = load(data, unet.spec, config.data, *([earlier.book] if earlier else []))
    learner = learner_of(
        unet,
        _moments(folder, loaded, config, fresh=fresh),
        len(loaded.book or ()),
        config.run.seed,
        fresh=fresh,
    )
    if earlier is not None and learner.words is not None:
        earlier.put_into(learner.words)
    hardware = Hardware.of(processes.device, config.compute.precision)
    empty = _empty(loaded, config)
    return VelocityTask(learner, loaded, config, hardware, empty, processes.rank, processes.count)


def _moments(folder: Path, data: Loaded, config: TrainConfig, *, fresh: bool) -> Moments | None:
    """Return what the network's linear guess knows: of the data, or of the earlier training."""
    if fresh:
        return data.train.moments if config.flow.linear_guess else None
    found = _read(folder / STOCK_FOLDER / STOCK_CONFIG).get("moments")
    return Moments(**found) if found else None


def _empty(data: Loaded, config: TrainConfig) -> Tensor:
    """Return the text of no caption: padding, or what the cache's text encoder makes of it."""
    tokens, width = data.train.text_tokens, data.train.text_width
    if not width:
        return torch.zeros(tokens, dtype=torch.long)
    if not config.conditions.dropout:
        return torch.zeros(tokens, width)
    from proxies.data.encoders import load_text_encoder

    assert isinstance(data.train, CachedLatents)
    settings = data.train.settings
    try:
        encoder = load_text_encoder(settings.text_encoder, tokens)
    except WalkbenchError as error:
        raise WalkbenchError(
            f"guidance needs the embedding of no caption, and {error}; or train without guidance: "
            "--set conditions.dropout=0"
        ) from None
    return encoder.encode([""])[0]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_unet(folder: Path, trainer: BundleTrainer, task: VelocityTask, to: Path) -> Path:
    """Write the trained network as an export that stock pipelines open; return its folder.

    Text encoder, tokenizer and VAE are the run's own where it trained on captioned pictures, else
    those of the export that it started from. Raises :class:`WalkbenchError` as the export does.
    """
    from studies.export import export
    from studies.export_design import Exportable
    from studies.export_pipeline import Components, components_of
    from studies.export_weights import CheckpointWeights

    spec = task.learner.spec
    parts = save_parts(trainer, task, trainer.folder / "parts")
    found = CheckpointWeights.at(parts.weights)
    moments = None if task.moments is None else asdict(task.moments)
    if parts.entries:
        components = Components(parts.entries, parts.folder)
    else:
        holds_parts = (folder / "text_encoder").is_dir()
        components = components_of(str(folder) if holds_parts else None, spec)
    name = _read(folder / FACTS_FILE).get("name")
    export(
        Exportable(spec, name=name),
        to,
        weights=replace(found, moments=moments),
        components=components,
        recipe=task.config,
        overwrite=True,
    )
    return to
