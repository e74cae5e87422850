"""`index.json` of a cache of latents: how it was made, its shards, and their checksums.

The index is rewritten after every finished shard and replaces its predecessor only when complete,
so the index lists exactly the finished shards, however a run ends.

>>> Settings("vae", "0f" * 32, 4, 4, 32, "clip", "a1" * 32, 77, 64, 256, 8, "float16", "c3", 3, 2)
Settings(vae='vae', ...)
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxies.data.entries import Skipped
from search_space.atomic import atomic_write
from search_space.errors import WalkbenchError

FORMAT = 2  # bumped when files change meaning
INDEX = "index.json"
_LABELS = ("vae", "text_encoder")  # names: the digests say what they are


@dataclass(frozen=True)
class Settings:
    """Everything that determines a cache: equal settings give equal tensors.

    ``vae_digest`` and ``text_encoder_digest`` are SHA-256 over config and weights. Latents are
    (channels, side, side), already scaled: they are what a diffusion model trains on. ``pictures``
    is a digest of the names, sizes and captions of the listed pictures, ``listed`` their number;
    shard i holds the usable ones of pictures ``i · shard`` to ``(i + 1) · shard``.
    """

    vae: str
    vae_digest: str
    channels: int
    side: int
    size: int  # of the pictures, pixels
    text_encoder: str
    text_encoder_digest: str
    tokens: int
    text_width: int
    shard: int
    listed: int
    dtype: str
    pictures: str
    scaling_factor: float | list[float] = 1.0
    shift_factor: float | list[float] = 0.0

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, side, side."""
        return self.channels, self.side, self.side

    @property
    def shards(self) -> int:
        """How many shards a finished cache has."""
        return -(-self.listed // self.shard)


@dataclass(frozen=True)
class Shard:
    """A finished file: its SHA-256, its number of pictures, and the pictures it skipped."""

    file: str
    sha256: str
    count: int
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class Index:
    """A cache, finished or not: its settings and its finished shards by number."""

    settings: Settings
    shards: dict[int, Shard] = field(default_factory=dict)
    unread: tuple[Skipped, ...] = ()  # files that should hold pictures and cannot be opened
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Pictures in all finished shards."""
        return sum(shard.count for shard in self.shards.values())

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What was skipped, in order."""
        made = (one for i in sorted(self.shards) for one in self.shards[i].skipped)
        return (*self.unread, *made)

    @property
    def finished(self) -> bool:
        """Whether every shard is there."""
        return len(self.shards) == self.settings.shards

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "format": FORMAT,
            "settings": dataclasses.asdict(self.settings),
            "latent_shape": self.settings.latent_shape,
            "count": self.count,
            "finished": self.finished,
            "unread": [dataclasses.asdict(one) for one in self.unread],
            "shards": {str(i): dataclasses.asdict(self.shards[i]) for i in sorted(self.shards)},
            "provenance": self.provenance,
        }


def shard_name(number: int) -> str:
    """Return the file name of shard ``number``.

    >>> shard_name(7)
    'shard-00007.safetensors'
    """
    return f"shard-{number:05}.safetensors"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file; raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_index(folder: Path) -> Index | None:
    """Return the index of the cache in ``folder``, or None where there is none yet.

    Raises :class:`WalkbenchError` for a file that is no index of this version.
    """
    path = folder / INDEX
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(f"format is {data['format']!r}, this version reads {FORMAT}")
        return Index(
            Settings(**data["settings"]),
            {int(i): _shard(shard) for i, shard in data["shards"].items()},
            tuple(Skipped(**one) for one in data["unread"]),
            data["provenance"],
        )
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise WalkbenchError(
            f"{str(path)!r} is not the index of a cache: {error}; name another folder, or remove "
            "this one and make the cache anew"
        ) from None


def _shard(data: dict[str, Any]) -> Shard:
    skipped = tuple(Skipped(**one) for one in data["skipped"])
    return Shard(data["file"], data["sha256"], data["count"], skipped)


def write_index(folder: Path, index: Index) -> None:
    """Replace the index in ``folder``; on `OSError` the previous index stays."""
    text = json.dumps(index.to_dict(), indent=1, ensure_ascii=False)
    with atomic_write(folder / INDEX) as partial:
        partial.write_text(text, encoding="utf-8")


def check_same(folder: Path, there: Settings, here: Settings) -> None:
    """Raise :class:`WalkbenchError` naming the first setting in which a cache differs."""
    for item in dataclasses.fields(Settings):
        before, now = getattr(there, item.name), getattr(here, item.name)
        if item.name in _LABELS or before == now:
            continue
        raise WalkbenchError(
            f"cache {str(folder)!r} was made otherwise: {item.name} is {before!r} there and "
            f"{now!r} here; name another folder, or give the settings it was made with"
        )
