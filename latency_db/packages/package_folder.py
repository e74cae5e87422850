"""A network's packages in one folder: made part by part, resumed, listed in a JSON beside them.

A part is converted in a process of its own and moved into place when it is complete; a note beside
it says so. A run that was stopped skips the parts whose notes match and makes the others.

    Unet.mlpackage  Unet.json                          one part
    UnetChunk1.mlpackage  UnetChunk1.json  UnetChunk2…  several, the names of Apple's pipelines
    packages.json                                      all notes, in order
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from latency_db.packages.atomic_package import disk_errors, package_at
from latency_db.packages.measured_process import run_measured
from latency_db.packages.parts import Part
from latency_db.packages.weights import WeightSource
from search_space.atomic import write_file
from search_space.errors import WalkbenchError
from search_space.lock import exclusive

LIST = "packages.json"
STEMS = {"decoder": "VAEDecoder"}  # other kinds are the UNet of a pipeline
Tick = Callable[[int, int, str], None]
# part, weights, settings, where to write; returns what a note says beside size and time
Convert = Callable[[Part, WeightSource, Any, Path], dict[str, Any]]


@dataclass(frozen=True)
class Format:
    """A kind of package: its name in notes, its suffix, and the function that writes one."""

    name: str
    suffix: str
    convert: Convert


def part_name(index: int, count: int, kind: str = "unet") -> str:
    """Return the file name of a part without suffix: Unet, or UnetChunk1, UnetChunk2 and so on.

    Apple's pipelines call a decoder VAEDecoder.
    """
    stem = STEMS.get(kind, "Unet")
    return stem if count == 1 else f"{stem}Chunk{index + 1}"


def write_packages(
    parts: Sequence[Part],
    weights: WeightSource,
    settings: Any,
    format: Format,
    folder: Path,
    progress: Tick | None = None,
) -> list[dict[str, Any]]:
    """Convert ``parts`` into ``folder`` and return their notes; finished ones are left alone.

    Raises :class:`WalkbenchError` when a part cannot be converted or written; complete parts stay.
    """
    notes = []
    busy = f"another process writes packages into {str(folder)!r}; wait until it has finished"
    with disk_errors(folder), exclusive(folder, busy):
        for i, part in enumerate(parts):
            name = part_name(i, len(parts), part.network.kind)
            if progress is not None:
                progress(i, len(parts), name)
            notes.append(_one(part, name, weights, settings, format, folder))
        write_file(folder / LIST, json.dumps(notes, indent=1) + "\n")
    if progress is not None:
        progress(len(parts), len(parts), "")
    return notes


def read_packages(folder: Path) -> list[dict[str, Any]]:
    """Return the notes of a complete folder; raises :class:`WalkbenchError` for any other."""
    try:
        notes: list[dict[str, Any]] = json.loads((folder / LIST).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        raise WalkbenchError(
            f"{str(folder)!r} has no {LIST}; run the export again, it continues where it stopped"
        ) from None
    return notes


def _one(
    part: Part, name: str, weights: WeightSource, settings: Any, format: Format, folder: Path
) -> dict[str, Any]:
    note, final = folder / f"{name}.json", folder / f"{name}{format.suffix}"
    identity = _identity(part, weights, settings, format)
    if note.exists() and final.exists():
        found: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        if found["identity"] == identity:
            return found
    _check_room(part, folder)
    note.unlink(missing_ok=True)
    with package_at(final) as made:
        ran = run_measured(_convert_quietly, format.convert, part, weights, settings, made)
    written: dict[str, Any] = {
        "file": final.name,
        "format": format.name,
        "identity": identity,
        "spec": part.network.digest(),
        "settings": asdict(settings),
        **ran.result,
        "bytes": _bytes(final),
        "seconds": ran.seconds,
        "cpu_seconds": ran.cpu_seconds,
        "peak_gb": ran.peak_gb,
    }
    write_file(note, json.dumps(written, indent=1) + "\n")
    return written


def _identity(part: Part, weights: WeightSource, settings: Any, format: Format) -> str:
    """Name everything a package follows from: a note with another identity is out of date."""
    said = [
        format.name,
        part.network.digest(),
        [node.name for node in part.nodes],
        weights.revision,
        asdict(settings),
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def _convert_quietly(
    convert: Convert, part: Part, weights: WeightSource, settings: Any, path: Path
) -> dict[str, Any]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries, in a process that has no user
        return convert(part, weights, settings, path)


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _check_room(part: Part, folder: Path) -> None:
    """Weights are written twice: libraries keep a copy beside the package until it is complete."""
    needed, free = 2 * part.weight_bytes, shutil.disk_usage(folder).free
    if needed > free:
        raise WalkbenchError(
            f"a part needs {needed / 1e9:.1f} GB on disk while it is made, {free / 1e9:.1f} GB are "
            f"free in {str(folder)!r}; choose another folder"
        )
