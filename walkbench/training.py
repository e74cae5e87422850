"""Proxies: train a design's small twin for a while and score it.

>>> training_settings(steps=400, width=8, batch=32).recipe.batch
32
>>> training_settings(batches=32)
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: score: [settings] has no key 'batches'; ...
"""

from typing import Any

from proxies.data.source import DataSource
from proxies.objectives import Reconstruction
from proxies.score import Score
from proxies.threads import cpu_threads
from proxies.trainer import Trainer
from proxies.training_run import TrainingSettings
from studies.config_table import ConfigTable
from studies.settings import build, read_table
from walkbench.designs import Design, network

SECONDS = 20.0  # of training where neither steps nor seconds are given


def training_settings(**settings: Any) -> TrainingSettings:
    """Return settings of training by their keys, those of a config's ``[proxy]`` table.

    Among them ``steps`` or ``seconds`` of training (20 seconds by default), ``width`` of the twin
    for 256 channels of the design, ``latent`` side of its pictures in pixels, ``batch``,
    ``objective``, ``data`` and ``seed``. Cached ``latents`` have a side of their own. Raises
    :class:`WalkbenchError` for an unknown key and a value of another type or out of range.
    """
    table = ConfigTable("score", "settings", settings)
    given = read_table(TrainingSettings, table)
    table.done()
    if not given.keys() & {"steps", "seconds"}:
        given["seconds"] = SECONDS
    source = build(DataSource, given)
    if source.latents is not None and "latent" not in given:
        parts = source.load(None)
        assert parts is not None  # a cache always has pictures
        given["latent"] = parts.train.size
    return build(TrainingSettings, given)


def score(design: Design, *, validate_at: tuple[float, ...] = (), **settings: Any) -> Score:
    """Train the twin of a design and return its validation loss with its standard error.

    ``settings`` are those of :func:`training_settings`. ``validate_at`` are shares of the run,
    0 to 1, at which the loss is measured on the way: the score's ``curve``. Scores of equal
    settings compare (:func:`walkbench.difference`); lower is better. A run that diverges is a
    failed score, not an error. A decoder learns to reconstruct pictures. Raises
    :class:`WalkbenchError` where the twin cannot be built or the data do not fit it.
    """
    chosen = network(design)
    if chosen.kind == "decoder":
        settings.setdefault("objective", Reconstruction.kind)
    wanted = training_settings(**settings)
    with cpu_threads(wanted.compute.threads):
        return Trainer(wanted.run(chosen, validate_at=validate_at)).train()
