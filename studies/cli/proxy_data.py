"""The data of a proxy command: loaded before anything else, with a report on stderr.

>>> side_of(DataSource(), None)
24
"""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from proxies.data.source import DataSource
from proxies.training_run import TrainingSettings
from studies.cli.output import err

LatentOption = Annotated[
    int | None,
    typer.Option(
        "--latent",
        help=f"Side of the pictures in pixels, {TrainingSettings.latent}; a cache has its own.",
    ),
]


def load_data(source: DataSource, latent: int | None) -> tuple[Any, int]:
    """Return training and validation data, None for the shapes, and the side of a picture.

    Cached latents have a side of their own, which ``latent`` must be if given. Says on stderr how
    much there is and what was skipped. Raises :class:`WalkbenchError` as the source does.
    """
    own = source.latents is not None and latent is None
    side = TrainingSettings.latent if latent is None else latent
    parts = source.load(None if own else side)
    if parts is None:
        return None, side
    if source.data is None:
        _say(parts, "pictures" if source.images is not None else "cached pictures")
    return parts, parts.train.size if own else side


def side_of(source: DataSource, latent: int | None) -> int:
    """Return the side of a picture; loads the data, raises and reports as :func:`load_data`."""
    return load_data(source, latent)[1]


def _say(parts: Any, what: str) -> None:
    used = len(parts.train) + len(parts.validation)
    err.print(f"{used} {what}, {len(parts.skipped)} skipped", style="dim")
    say_skipped(parts.skipped)


def say_skipped(skipped: Iterable[Any]) -> None:
    """Print on stderr which pictures were skipped and why, one line each."""
    for one in skipped:
        err.print(f"skipped {one.path}: {one.reason}", markup=False, soft_wrap=True)
