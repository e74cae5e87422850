"""Folders of drawn pictures as the evaluators of GenEval and DPG-Bench read them.

- GenEval (``evaluation/evaluate_images.py``): ``00000/metadata.jsonl``, one JSON object, and
  ``00000/samples/00000.png`` …, a folder a prompt in the order of the prompts file.
- DPG-Bench (``dpg_bench/compute_dpg_bench.py``): one ``ID.png`` a prompt; several pictures of it
  are the quarters of that file, left to right and top to bottom, four at most.
- plain prompts: ``00000/samples/00000.png`` beside a ``00000.txt`` with the prompt.

A picture is written whole or not at all; what is there already is not drawn again.

>>> images = np.zeros((3, 8, 8, 3), dtype=np.uint8)
>>> quarters(images).shape, quarters(images[:1]).shape
((16, 16, 3), (8, 8, 3))
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxies.data.entries import CAPTIONS
from proxies.evaluation.prompt_files import EvaluationPrompt, Kind, parse_metadata
from search_space.atomic import atomic_write, write_file
from search_space.errors import WalkbenchError

MOST_QUARTERS = 4


@dataclass(frozen=True)
class DrawnFile:
    """A picture's file with its prompt; ``metadata`` is GenEval's line, else None.

    ``quarter`` says which quarter of the file the picture is, None for all of it.
    """

    path: Path
    prompt: str | None = None
    metadata: dict[str, Any] | None = None
    quarter: int | None = None


def quarters(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 1 to 4 pictures (N, S, S, 3) as DPG-Bench's file: one alone, else quarters."""
    count, side = len(images), images.shape[1]
    if count == 1:
        alone: NDArray[np.uint8] = images[0]
        return alone
    out = np.zeros((2 * side, 2 * side, 3), dtype=np.uint8)
    for i, image in enumerate(images):
        y, x = side * (i // 2), side * (i % 2)
        out[y : y + side, x : x + side] = image
    return out


def is_drawn(folder: Path, kind: Kind, index: int, prompt: EvaluationPrompt, images: int) -> bool:
    """Whether all pictures of ``prompt``, number ``index`` of its file, are in ``folder``."""
    files = _files(folder, kind, index, prompt, images)
    if not all(path.is_file() for path in files):
        return False
    note = _note(files[0], kind, prompt)
    return note is None or (note[0].is_file() and note[0].read_text(encoding="utf-8") == note[1])


def write_drawn(
    folder: Path, kind: Kind, index: int, prompt: EvaluationPrompt, images: NDArray[np.uint8]
) -> None:
    """Write the pictures (N, S, S, 3) of ``prompt``; raises :class:`WalkbenchError`.

    For a folder that cannot be written.
    """
    files = _files(folder, kind, index, prompt, len(images))
    note = _note(files[0], kind, prompt)
    if note is None:
        _write_png(files[0], quarters(images))
        return
    for path in files:  # of another prompt, or from an earlier run
        path.unlink(missing_ok=True)
    write_file(*note)
    for path, image in zip(files, images, strict=True):
        _write_png(path, image)


def read_geneval(folder: Path) -> tuple[DrawnFile, ...]:
    """Return the pictures of a folder in GenEval's layout, sorted; empty where it is none.

    Raises :class:`WalkbenchError` for metadata that cannot be read.
    """
    found: list[DrawnFile] = []
    for about in sorted(folder.glob("*/metadata.jsonl")):
        if not about.parent.name.isdigit():
            continue
        try:
            metadata = parse_metadata(json.loads(about.read_text(encoding="utf-8")), str(about))
        except WalkbenchError:
            raise
        except (OSError, ValueError) as error:
            raise WalkbenchError(f"cannot read {str(about)!r}: {error}") from None
        for path in _numbered(about.parent / "samples"):
            found.append(DrawnFile(path, metadata["prompt"], metadata))
    return tuple(found)


def read_plain(folder: Path) -> tuple[DrawnFile, ...]:
    """Return the pictures that :func:`write_drawn` lays out for plain prompts; else empty."""
    found: list[DrawnFile] = []
    for about in sorted(path for path in folder.iterdir() if path.name.isdigit()):
        text = about / f"{about.name}{CAPTIONS[0]}"
        if text.is_file():
            prompt = text.read_text(encoding="utf-8").strip()
            found += [DrawnFile(path, prompt) for path in _numbered(about / "samples")]
    return tuple(found)


def read_dpg(folder: Path, prompts: Sequence[EvaluationPrompt], images: int) -> list[DrawnFile]:
    """Return the pictures of DPG-Bench's layout for ``prompts``, ``images`` of each.

    Raises :class:`WalkbenchError` for a prompt without a file.
    """
    found: list[DrawnFile] = []
    for index, prompt in enumerate(prompts):
        (path,) = _files(folder, "dpg", index, prompt, images)
        if not path.is_file():
            raise WalkbenchError(
                f"{str(folder)!r} has no {path.name} for prompt {prompt.id!r}; draw all of them, "
                "or name the folder that has"
            )
        parts = range(images) if images > 1 else (None,)
        found += [DrawnFile(path, prompt.text, None, part) for part in parts]
    return found


def _numbered(samples: Path) -> Iterator[Path]:
    """Yield the files that GenEval's evaluator takes for pictures: digits and ``.png``."""
    if samples.is_dir():
        yield from sorted(p for p in samples.glob("*.png") if p.stem.isdigit())


def _files(
    folder: Path, kind: Kind, index: int, prompt: EvaluationPrompt, images: int
) -> list[Path]:
    if kind == "dpg":
        if images > MOST_QUARTERS:
            raise WalkbenchError(
                f"DPG-Bench's evaluator takes {MOST_QUARTERS} pictures of a prompt at most, not "
                f"{images}; use --images {MOST_QUARTERS} or fewer"
            )
        return [folder / f"{prompt.id}.png"]
    samples = folder / f"{index:05}" / "samples"
    return [samples / f"{i:05}.png" for i in range(images)]


def _note(picture: Path, kind: Kind, prompt: EvaluationPrompt) -> tuple[Path, str] | None:
    """Return the file that says what a prompt's pictures show, and its text."""
    about = picture.parent.parent
    if kind == "dpg":
        return None
    if kind == "geneval":
        return about / "metadata.jsonl", json.dumps(prompt.metadata)
    return about / f"{about.name}.txt", prompt.text + "\n"


def _write_png(path: Path, image: NDArray[np.uint8]) -> None:
    from PIL import Image

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            Image.fromarray(image).save(partial, format="PNG")
    except OSError as error:
        raise WalkbenchError(
            f"cannot write {str(path)!r}: {error.strerror or error}; name another folder"
        ) from None
