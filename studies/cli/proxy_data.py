"""Which data a proxy command trains on: shapes, digits, the user's pictures or cached latents.

>>> proxy_data(None, None, None, None, None)
(None, None, 24)
>>> proxy_data("shapes", "pictures/", None, None, None)
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: --data and --images both name data; give one of them
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from search_space.errors import WalkbenchError, raise_unknown
from studies.cli.output import err

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
    Path | None,
    typer.Option("--latents", help="Train on a cache that `walkbench data cache` made."),
]
VaeOption = Annotated[
    str | None, typer.Option("--vae", help="Refuse cached latents of any other VAE.")
]
LatentOption = Annotated[
    int | None,
    typer.Option("--latent", help=f"Side of the pictures in pixels, {SIZE}; a cache has its own."),
]


def proxy_data(
    data: str | None, images: str | None, latents: Path | None, vae: str | None, latent: int | None
) -> tuple[Any, Any, int]:
    """Return training and validation data, None for the shapes, and the side of a picture.

    Says on stderr how much there is and what was skipped. Raises :class:`WalkbenchError` for an
    unknown name, two sources at once, and what the sources raise.
    """
    given = {"--data": data, "--images": images, "--latents": latents}
    named = [option for option, value in given.items() if value is not None]
    if len(named) > 1:
        raise WalkbenchError(f"{named[0]} and {named[1]} both name data; give one of them")
    if vae is not None and latents is None:
        raise WalkbenchError("--vae says which VAE cached latents must be of; give --latents too")
    size = SIZE if latent is None else latent
    if latents is not None:
        from proxies.data.latents import load_latents

        cached = load_latents(latents, vae)
        _say(cached, "cached pictures")
        return cached.train, cached.validation, cached.train.size if latent is None else latent
    if images is not None:
        from proxies.data.pictures import captioned_pictures

        own = captioned_pictures(images, size)
        _say(own, "pictures")
        return own.train, own.validation, size
    if data == "digits":
        from proxies.data.digits import digits

        parts = digits(size)
        return parts.train, parts.validation, size
    if data not in (None, "shapes"):
        raise_unknown("data", data, ("shapes", "digits"))
    return None, None, size


def _say(parts: Any, what: str) -> None:
    used = len(parts.train) + len(parts.validation)
    err.print(f"{used} {what}, {len(parts.skipped)} skipped", style="dim")
    say_skipped(parts.skipped)


def say_skipped(skipped: Iterable[Any]) -> None:
    """Print on stderr what was left out and why, one line each."""
    for one in skipped:
        err.print(f"skipped {one.path}: {one.reason}", markup=False, soft_wrap=True)
