"""Make a cache of latents and text embeddings: training needs no VAE or text encoder then.

The cache is a folder of safetensors shards and an ``index.json`` with their checksums. A shard
covers fixed places of the listing, skipped pictures included. A killed run therefore continues at
its first unfinished shard, removed or damaged shards are rebuilt alone, and the result has the same
bytes as an undisturbed run.

>>> import tempfile
>>> from proxies.data.encoders import Encoder
>>> from proxies.data.listing import Listing
>>> vae = Encoder("none", "0", lambda pictures: torch.zeros(len(pictures), 4, 3, 3))
>>> text = Encoder("none", "0", lambda captions: torch.zeros(len(captions), 2, 5))
>>> with tempfile.TemporaryDirectory() as name:
...     make_cache(Path(name), Listing("nothing", (), ()), vae, text, size=24).finished
True
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from proxies.data.cache_index import (
    Index,
    Settings,
    Shard,
    check_same,
    read_index,
    sha256,
    shard_name,
    write_index,
)
from proxies.data.encoders import Encoder
from proxies.data.entries import Entry, Sample, Skipped, read
from proxies.data.listing import Listing
from proxies.memory import is_out_of_memory
from search_space.atomic import atomic_write
from search_space.errors import WalkbenchError, raise_unknown
from search_space.lock import exclusive
from search_space.provenance import provenance

DTYPES = {"float16": torch.float16, "float32": torch.float32}
SHARD = 256  # pictures: what an interruption costs at most
READERS = 4  # threads that decode pictures


@dataclass(frozen=True)
class CacheProgress:
    """The number of listed pictures processed so far, and a remark if there is one."""

    done: int
    total: int
    remark: str | None = None


Watcher = Callable[[CacheProgress], None]


def make_cache(
    folder: Path,
    listing: Listing,
    vae: Encoder,
    text: Encoder,
    *,
    size: int,
    batch: int = 8,
    shard: int = SHARD,
    dtype: str = "float16",
    progress: Watcher | None = None,
) -> Index:
    """Encode the pictures of ``listing``, scaled to ``size``, into ``folder``; return its index.

    Continues an earlier run with the same settings; shards whose checksum fails are rebuilt.
    Pictures that cannot be read, and those whose values do not fit ``dtype``, are skipped and
    listed. Raises :class:`WalkbenchError` when the folder holds a cache of other settings, a batch
    does not fit into memory, another process fills the folder, and when it cannot be written: what
    was finished stays.
    """
    for name, value in (("size", size), ("batch", batch), ("shard", shard)):
        if value < 1:
            raise WalkbenchError(f"{name} is {value}; a positive number is needed")
    if dtype not in DTYPES:
        raise_unknown("dtype", dtype, DTYPES)
    settings = _settings(listing, vae, text, size, shard, dtype)
    say = progress or (lambda state: None)
    held = f"another process fills cache {str(folder)!r}; let it finish, or name another folder"
    with _writing(folder), exclusive(folder, held), ThreadPoolExecutor(READERS) as readers:
        index = _begin(folder, settings, listing.skipped, say)
        for number in range(settings.shards):
            start, end = number * shard, min((number + 1) * shard, settings.listed)
            if number not in index.shards:
                made = _Made([], [], [], [], [])
                for first in range(start, end, batch):
                    chunk = listing.entries[first : min(first + batch, end)]
                    made.add(readers.map(partial(read, size=size), chunk), chunk, vae, text, dtype)
                    say(CacheProgress(first + len(chunk), settings.listed))
                one = made.save(folder / shard_name(number), settings)
                index = dataclasses.replace(index, shards={**index.shards, number: one})
                write_index(folder, index)
            say(CacheProgress(end, settings.listed))
    return index


def _settings(
    listing: Listing, vae: Encoder, text: Encoder, size: int, shard: int, dtype: str
) -> Settings:
    shape = vae.probe(np.zeros((1, size, size, 3), dtype=np.uint8))
    if len(shape) != 3 or shape[1] != shape[2]:
        raise WalkbenchError(
            f"VAE {vae.name!r} makes latents of shape {shape} of a square picture; (channels, "
            "side, side) is needed: name a VAE for pictures"
        )
    channels, side, _ = shape
    factor = size // side
    if side * factor != size:
        near = max(factor, round(size / factor) * factor)
        raise WalkbenchError(
            f"size {size} is not a multiple of {factor}, by which VAE {vae.name!r} scales pictures "
            f"down; use {near}"
        )
    tokens, text_width = text.probe(["a"])
    return Settings(
        vae=vae.name,
        vae_digest=vae.digest,
        channels=channels,
        side=side,
        size=size,
        text_encoder=text.name,
        text_encoder_digest=text.digest,
        tokens=tokens,
        text_width=text_width,
        shard=shard,
        listed=len(listing.entries),
        dtype=dtype,
        pictures=_digest(listing.entries),
        scaling_factor=vae.scale,
        shift_factor=vae.shift,
    )


def _digest(entries: Sequence[Entry]) -> str:
    """Return a digest over names, sizes of pictures, and captions: what a cache is made from."""
    found = hashlib.sha256()
    for entry in entries:
        try:
            caption = entry.caption.read() if entry.caption else b""
        except OSError:
            caption = b""  # skipped and listed when its turn comes
        found.update(f"{entry.path}\0{entry.picture.length()}\0{len(caption)}\0".encode())
        found.update(caption)
    return found.hexdigest()


def _begin(folder: Path, settings: Settings, unread: Sequence[Skipped], say: Watcher) -> Index:
    """Return the index to continue, without missing or damaged shards."""
    index = read_index(folder)
    if index is None:
        index = Index(settings, {}, tuple(unread), provenance("diffusers", "transformers"))
        write_index(folder, index)
    check_same(folder, index.settings, settings)
    whole = dict(index.shards)
    for number, shard in index.shards.items():
        path = folder / shard.file
        if not path.exists() or sha256(path) != shard.sha256:
            del whole[number]
            what = "is damaged" if path.exists() else "is missing"
            say(CacheProgress(0, settings.listed, f"{shard.file} {what}: making it again"))
    return dataclasses.replace(index, shards=whole)


@dataclass(frozen=True)
class _Made:
    """The pictures of one shard in progress: encoded and skipped."""

    latents: list[Tensor]  # (B, C, S, S) each
    embeddings: list[Tensor]  # (B, T, W) each
    keys: list[str]
    captions: list[str]
    skipped: list[Skipped]

    def add(
        self,
        found: Iterable[Sample | Skipped],
        entries: Sequence[Entry],
        vae: Encoder,
        text: Encoder,
        dtype: str,
    ) -> None:
        """Encode the pictures among ``found``, the result of reading ``entries``."""
        samples: list[tuple[Sample, str]] = []
        for one, entry in zip(found, entries, strict=True):
            if isinstance(one, Skipped):
                self.skipped.append(one)
            else:
                samples.append((one, entry.path))
        if not samples:
            return
        latents, embeddings = _encoded([sample for sample, _ in samples], vae, text, dtype)
        finite = [
            bool(z.isfinite().all() and words.isfinite().all())
            for z, words in zip(latents, embeddings, strict=True)
        ]
        for (sample, path), good in zip(samples, finite, strict=True):
            if good:
                self.keys.append(sample.key)
                self.captions.append(sample.caption)
            else:
                self.skipped.append(Skipped(path, f"not finite as {dtype} when encoded"))
        self.latents.append(latents[torch.tensor(finite)])
        self.embeddings.append(embeddings[torch.tensor(finite)])

    def save(self, path: Path, settings: Settings) -> Shard:
        """Write the shard under a name that only a complete file gets."""
        s, dtype = settings, DTYPES[settings.dtype]
        none = torch.zeros(0, s.channels, s.side, s.side), torch.zeros(0, s.tokens, s.text_width)
        tensors = {
            "latents": torch.cat([none[0].to(dtype), *self.latents]),
            "embeddings": torch.cat([none[1].to(dtype), *self.embeddings]),
        }
        pictures = {"keys": self.keys, "captions": self.captions}
        with atomic_write(path) as partial_path:
            save_file(tensors, partial_path, metadata={"pictures": json.dumps(pictures)})
            digest = sha256(partial_path)
        return Shard(path.name, digest, len(self.keys), tuple(self.skipped))


def _encoded(
    samples: Sequence[Sample], vae: Encoder, text: Encoder, dtype: str
) -> tuple[Tensor, Tensor]:
    try:
        latents = vae.encode(np.stack([sample.picture for sample in samples]))
        embeddings = text.encode([sample.caption for sample in samples])
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise WalkbenchError(
            f"memory is too small to encode {len(samples)} pictures at once; use a smaller batch: "
            "what was finished is kept"
        ) from None
    return latents.to(DTYPES[dtype]), embeddings.to(DTYPES[dtype])


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise WalkbenchError(
            f"cache {str(folder)!r} cannot be written: {error}; what was finished is kept: make "
            "room and run it again, or name another folder"
        ) from None
