"""Which data a proxy command trains on: shapes, digits, the user's pictures or cached latents.

>>> from proxies.data.source import DataSource
>>> proxy_data(DataSource(), None)
(None, None, 24)
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studies.cli.output import err

if TYPE_CHECKING:
    from proxies.data.source import DataSource

SIZE = 24  # pixels, or what a cache has

DataOption = Annotated[
    str | None,
    typer.Option("--data", help="shapes (made from a seed) or digits (handwritten, real)."),
]
ImagesOption = Annotated[
    str | None,
    typer.Option(
        "--images",
        help="Train on your captioned pictures: a folder, a .tar, or 'shards-{000..011}.tar'.",
    ),
]
LatentsOption = Annotated[
    str | None,
    typer.Option("--latents", help="Train on a cache that `walkbench data cache` made."),
]
VaeOption = Annotated[
    str | None, typer.Option("--vae", help="Refuse cached latents of any other VAE.")
]
LatentOption = Annotated[
    int | None,
    typer.Option("--latent", help=f"Side of the pictures in pixels, {SIZE}; a cache has its own."),
]


def proxy_data(source: "DataSource", latent: int | None) -> tuple[Any, Any, int]:
    """Return training and validation data, None for the shapes, and the side of a picture.

    Says on stderr how much there is and what was skipped. Raises :class:`WalkbenchError` as the
    source does.
    """
    own = source.latents is not None and latent is None  # a cache has a size of its own
    size = SIZE if latent is None else latent
    parts = source.load(None if own else size)
    if parts is None:
        return None, None, size
    if source.data is None:
        _say(parts, "pictures" if source.images is not None else "cached pictures")
    return parts.train, parts.validation, parts.train.size if own else size


def _say(parts: Any, what: str) -> None:
    used = len(parts.train) + len(parts.validation)
    err.print(f"{used} {what}, {len(parts.skipped)} skipped", style="dim")
    say_skipped(parts.skipped)


def say_skipped(skipped: Iterable[Any]) -> None:
    """Print on stderr what was left out and why, one line each."""
    for one in skipped:
        err.print(f"skipped {one.path}: {one.reason}", markup=False, soft_wrap=True)
