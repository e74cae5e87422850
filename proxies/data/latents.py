"""Training data from a cache of latents and text embeddings (:mod:`proxies.data.cache`).

Every shard's checksum is verified before it is used. Tensors stay in their files, mapped into
memory, so a cache may be larger than the memory; a batch reads its rows. As with pictures, a tenth
is held out by a hash of the keys, and the data is named by its content.

>>> load_latents(Path("nowhere"))
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: 'nowhere' holds no cache of latents; make one with `walkbench
data cache`
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from proxies.data.cache_index import Index, Settings, Shard, read_index, sha256
from proxies.data.parts import Parts, check_enough, held_out
from proxies.data.training_data import Batch, moments_of
from proxies.flow_matching import Moments
from search_space.errors import WalkbenchError


@dataclass(frozen=True, eq=False)
class CachedLatents:
    """Latents (N, C, S, S) and embeddings (N, T, W), spread over shards; no classes.

    ``rows`` has (shard, row) of every picture, (N, 2).
    """

    name: str
    latents: tuple[Tensor, ...]
    embeddings: tuple[Tensor, ...]
    rows: Tensor
    settings: Settings

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def size(self) -> int:
        """Side of the latents."""
        return self.settings.side

    @property
    def channels(self) -> int:
        """Channels of the latents."""
        return self.settings.channels

    @property
    def text_tokens(self) -> int:
        """Embeddings of a caption, padding included."""
        return self.settings.tokens

    @property
    def text_width(self) -> int:
        """Width of an embedding."""
        return self.settings.text_width

    @property
    def vocabulary(self) -> int:
        """0: text comes as embeddings."""
        return 0

    @cached_property
    def moments(self) -> Moments:
        """Mean and variance of all values of (at most a thousand of) the latents."""
        return moments_of(self)

    def batch(self, rows: Tensor) -> Batch:
        """Return latents as floats, (B, C, S, S), embeddings (B, T, W) and zeros as labels."""
        places = self.rows[rows].tolist()
        x0 = torch.stack([self.latents[shard][row] for shard, row in places]).float()
        text = torch.stack([self.embeddings[shard][row] for shard, row in places]).float()
        labels = torch.zeros(len(places), dtype=torch.long)
        return Batch(x0.contiguous(memory_format=torch.channels_last), text, labels)


def load_latents(folder: Path, vae: str | None = None) -> Parts[CachedLatents]:
    """Return both parts of the cache in ``folder``.

    ``vae`` is the name of the VAE that the latents must be of, or the beginning of its digest.
    Raises :class:`WalkbenchError` when there is no finished cache, it is of another VAE, a shard is
    missing, its checksum fails or its tensors have another shape than the index says.
    """
    index = read_index(folder)
    if index is None:
        raise WalkbenchError(
            f"{str(folder)!r} holds no cache of latents; make one with `walkbench data cache`"
        )
    settings = index.settings
    _check_vae(folder, settings, vae)
    if not index.finished:
        raise WalkbenchError(
            f"cache {str(folder)!r} is not finished: {len(index.shards)} of {settings.shards} "
            "shards are there; run `walkbench data cache` with it again, which goes on"
        )
    found = [_read_shard(folder, index.shards[i], settings) for i in range(settings.shards)]
    rows: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
    for i, (_, _, keys) in enumerate(found):
        for row, key in enumerate(keys):
            rows[held_out(key)].append((i, row))
    check_enough(f"cache {folder}", len(rows[False]), len(rows[True]), index.skipped)
    latents, embeddings = tuple(one[0] for one in found), tuple(one[1] for one in found)
    name = f"latents-{_digest(index)}"
    train, validation = (
        CachedLatents(name, latents, embeddings, torch.tensor(rows[held]), settings)
        for held in (False, True)
    )
    return Parts(train, validation, index.skipped)


def _check_vae(folder: Path, settings: Settings, vae: str | None) -> None:
    if vae is None or vae == settings.vae or (vae and settings.vae_digest.startswith(vae)):
        return
    raise WalkbenchError(
        f"cache {str(folder)!r} is of another VAE: {settings.vae!r} "
        f"({settings.vae_digest[:12]}), and {vae!r} is wanted; name a cache of that one, or make "
        "it with `walkbench data cache`"
    )


def _digest(index: Index) -> str:
    total = hashlib.sha256()
    for i in sorted(index.shards):
        total.update(index.shards[i].sha256.encode())
    return total.hexdigest()[:12]


def _read_shard(folder: Path, shard: Shard, settings: Settings) -> tuple[Tensor, Tensor, list[str]]:
    """Return latents, embeddings and keys of one shard, checked."""
    path = folder / shard.file
    repair = "run `walkbench data cache` with this cache again, which makes only what is missing"
    try:
        if sha256(path) != shard.sha256:
            raise WalkbenchError(
                f"shard {str(path)!r} is damaged: its checksum is not that of the index; remove it "
                f"and {repair}"
            )
        with safe_open(path, framework="pt") as file:
            keys = json.loads((file.metadata() or {})["pictures"])["keys"]
            latents, embeddings = file.get_tensor("latents"), file.get_tensor("embeddings")
    except FileNotFoundError:
        raise WalkbenchError(f"shard {str(path)!r} is missing; {repair}") from None
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        if isinstance(error, WalkbenchError):
            raise
        raise WalkbenchError(f"shard {str(path)!r} cannot be read: {error}; {repair}") from None
    side = settings.side
    wanted = {
        "latents": (latents, (len(keys), settings.channels, side, side)),
        "embeddings": (embeddings, (len(keys), settings.tokens, settings.text_width)),
    }
    for name, (tensor, shape) in wanted.items():
        if tuple(tensor.shape) != shape:
            raise WalkbenchError(
                f"shard {str(path)!r} has {name} of the wrong shape: {tuple(tensor.shape)}, and "
                f"the index says {shape}; remove it and {repair}"
            )
    return latents, embeddings, keys
