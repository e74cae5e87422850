"""What a trained run leaves for an export: averaged weights, and the parts of a pipeline.

A run on captioned pictures trained a text encoder of its own and draws pixels, so it has a
tokenizer, a text encoder and an autoencoder that changes nothing. A run on a cache has none: those
are the cache's.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file

from proxies.bundle_training import pixels, words
from proxies.bundle_training.task import VelocityTask
from proxies.bundle_training.trainer import BundleTrainer
from search_space.atomic import atomic_folder
from search_space.errors import WalkbenchError

WEIGHTS = "weights.safetensors"
_UNET, _WORDS = "unet.", "words."


@dataclass(frozen=True)
class Parts:
    """The network's ``weights``, a file; library and class of each folder beside it."""

    folder: Path
    weights: Path
    entries: dict[str, tuple[str, str]]


def save_parts(trainer: BundleTrainer, task: VelocityTask, folder: Path) -> Parts:
    """Write them into ``folder``; raises :class:`WalkbenchError` where that cannot be written."""
    state = trainer.averages()
    unet = {k.removeprefix(_UNET): v.contiguous() for k, v in state.items() if k.startswith(_UNET)}
    table = {k.removeprefix(_WORDS): v for k, v in state.items() if k.startswith(_WORDS)}
    entries: dict[str, tuple[str, str]] = {}
    try:
        shutil.rmtree(folder, ignore_errors=True)
        with atomic_folder(folder) as work:
            save_file(unet, work / WEIGHTS, metadata={"format": "pt"})
            if task.data.book is not None:
                tokens = task.learner.spec.context.tokens
                entries["vae"] = pixels.save(work / "vae")
                entries["text_encoder"] = words.save_encoder(work / "text_encoder", table)
                entries["tokenizer"] = words.save_tokenizer(
                    work / "tokenizer", task.data.book, tokens
                )
    except OSError as error:
        raise WalkbenchError(
            f"the result cannot be written to {str(folder)!r}: {error.strerror}; make room and run "
            "the same command again, which goes on from the last checkpoint"
        ) from None
    return Parts(folder, folder / WEIGHTS, entries)
