"""`DataSource`: which data a proxy trains on, as a command, a config or a plan names them.

A source is cheap to make; :meth:`DataSource.load` reads the data, once per process. Their place may
differ between machines. Their content may not: losses compare only within one content, which has a
name.

>>> DataSource().load(24) is None  # shapes: the trainer makes as many as the recipe says
True
>>> DataSource(data="digits").load(24).train.name == DataSource(data="digits").content(24)
True
>>> DataSource(data="shapes", images="pictures/")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: data and images both name data; give one of them
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxies.setting import setting
from search_space.errors import WalkbenchError, raise_unknown

if TYPE_CHECKING:
    from proxies.data.parts import Parts

SHAPES, DIGITS = "shapes", "digits"
SCENE_TASKS = ("crowd", "scenes")  # proxies.data.scenes.TASKS, which need numpy
NAMES = (SHAPES, DIGITS, *SCENE_TASKS)


@dataclass(frozen=True)
class DataSource:
    """One of: ``data`` by name (shapes unless given), ``images``, or cached ``latents``.

    ``images`` is a folder, a .tar or a pattern of tars; ``latents`` a folder that
    `walkbench data cache` filled, refused unless of the VAE ``vae`` where that is given.
    Raises :class:`WalkbenchError` for two sources at once and an unknown name.
    """

    data: str | None = setting(
        None, help="Data by name: shapes, digits (handwritten, real), or a task of scenes."
    )
    images: str | None = setting(
        None,
        help="Your captioned pictures: a folder, a .tar, or 'shards-{000..011}.tar'.",
        is_path=True,
    )
    latents: str | None = setting(
        None, help="A cache that `walkbench data cache` made.", is_path=True
    )
    vae: str | None = setting(None, help="Refuse cached latents of any other VAE.")

    def __post_init__(self) -> None:
        named = [name for name in ("data", "images", "latents") if getattr(self, name) is not None]
        if len(named) > 1:
            raise WalkbenchError(f"{named[0]} and {named[1]} both name data; give one of them")
        if self.vae is not None and self.latents is None:
            raise WalkbenchError("vae says which VAE cached latents must be of; give latents too")
        if self.data is not None and self.data not in NAMES:
            raise_unknown("data", self.data, NAMES)

    @property
    def is_shapes(self) -> bool:
        """Whether these are the shapes that are made from a seed."""
        return self.data in (None, SHAPES) and self.images is None and self.latents is None

    @property
    def is_scenes(self) -> bool:
        """Whether these are pictures of :mod:`proxies.data.scenes`, which the checker reads too."""
        return self.data in SCENE_TASKS

    @property
    def drawable(self) -> bool:
        """Whether the data are pixels; latents need their VAE to be seen."""
        return self.latents is None

    def load(self, size: int | None = None) -> "Parts[Any] | None":
        """Return both parts, pictures ``size`` wide; None for the shapes, which the trainer makes.

        Cached latents have a size of their own, which ``size`` must be where it is given. Raises
        :class:`WalkbenchError` for that and for what the sources raise.
        """
        return None if self.is_shapes else _load(self, size)

    def content(self, size: int) -> str | None:
        """Return the name of what the source holds, None for the shapes."""
        if self.data in SCENE_TASKS:
            from proxies.data.scenes import content_name

            return content_name(str(self.data))
        parts = self.load(size)
        return None if parts is None else str(parts.train.name)


@lru_cache(maxsize=2)
def _load(source: DataSource, size: int | None) -> "Parts[Any]":
    if source.latents is not None:
        from proxies.data.latents import load_latents

        cached = load_latents(Path(source.latents), source.vae)
        if size not in (None, cached.train.size):
            raise WalkbenchError(
                f"cache {source.latents!r} is {cached.train.size} wide and the twin {size}; use a "
                f"latent of {cached.train.size}"
            )
        return cached
    assert size is not None
    if source.images is not None:
        from proxies.data.pictures import captioned_pictures

        return captioned_pictures(source.images, size)
    if source.data in SCENE_TASKS:
        from proxies.data.scene_data import scene_parts

        return scene_parts(str(source.data), size)
    from proxies.data.digits import digits

    return digits(size)
