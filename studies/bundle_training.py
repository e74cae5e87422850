"""Train an export: find its recipe and weights, train, and write the result as another export.

run = prepare(Path("exported"), "shapes", Path("exported/training"), config, processes)
run.trainer.train()
write_result(run, Path("exported/training/bundle"))
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
from proxies.bundle_training.trainer import BundleTrainer, Watcher
from proxies.bundle_training.words import read_words
from proxies.data.latents import CachedLatents
from proxies.flow_matching import Moments
from proxies.train_config import TrainConfig
from search_space.errors import WalkbenchError
from search_space.exported import FACTS_FILE, STOCK_CONFIG, STOCK_FOLDER, load_exported


@dataclass(frozen=True, eq=False)
class Prepared:
    """A training made ready: the export it starts from, its data and its trainer."""

    folder: Path
    data: Loaded
    trainer: BundleTrainer


def prepare(
    folder: Path,
    data: str,
    run: Path,
    config: TrainConfig,
    processes: Processes,
    *,
    stop: Callable[[], bool] = lambda: False,
    watchers: Sequence[Watcher] = (),
) -> Prepared:
    """Make a training of the export in ``folder`` on ``data`` ready; it goes on where one is.

    Raises :class:`WalkbenchError` for a folder that is no export, data that are missing or do not
    fit, a damaged checkpoint, and a run of other settings in ``run``.
    """
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
    trainer = BundleTrainer(
        learner, loaded, config, run, processes,
        empty=_empty(loaded, config), stop=stop, watchers=watchers,
    )  # fmt: skip
    return Prepared(folder, loaded, trainer)


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


def write_result(run: Prepared, to: Path) -> Path:
    """Write the trained network as an export that stock pipelines open; return its folder.

    Text encoder, tokenizer and VAE are the run's own where it trained on captioned pictures, else
    those of the export that it started from. Raises :class:`WalkbenchError` as the export does.
    """
    from studies.export import export
    from studies.export_design import Exportable
    from studies.export_pipeline import Components, components_of
    from studies.export_weights import CheckpointWeights

    trainer, spec = run.trainer, run.trainer.learner.spec
    parts = save_parts(trainer, trainer.folder / "parts")
    found = CheckpointWeights.at(parts.weights)
    moments = None if trainer.moments is None else asdict(trainer.moments)
    if parts.entries:
        components = Components(parts.entries, parts.folder)
    else:
        holds_parts = (run.folder / "text_encoder").is_dir()
        components = components_of(str(run.folder) if holds_parts else None, spec)
    name = _read(run.folder / FACTS_FILE).get("name")
    export(
        Exportable(spec, name=name),
        to,
        weights=replace(found, moments=moments),
        components=components,
        recipe=trainer.config,
        overwrite=True,
    )
    return to
