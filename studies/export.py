"""`export(design, folder)`: write a design, its figures and its weights into a loadable folder.

If a stock diffusers class can build the network, `from_pretrained` loads the folder; Walkbench's
own :func:`search_space.exported.load_exported` loads every export. The weights are initial values,
because a study trains small twins and never the design itself. They depend only on the seed and on
each parameter's name (:mod:`search_space.initialise`): two exports with a common layer give it the
same weights.

The folder appears when it is complete (:func:`search_space.atomic.atomic_folder`).

>>> import tempfile
>>> from search_space.diffusers_bridge import spec_from_config
>>> spec = spec_from_config({"_class_name": "UNet2DConditionModel", "norm_num_groups": 8,
...                          "block_out_channels": [8, 16, 16, 16], "attention_head_dim": 2})
>>> with tempfile.TemporaryDirectory() as folder:
...     done = export(Exportable(spec), Path(folder) / "small")
...     done.class_name, sorted(path.name for path in done.files)[:2]
('UNet2DConditionModel', ['README.md', 'config.json'])
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from latency_db.sources import source_of
from search_space.atomic import atomic_folder
from search_space.cost import cost
from search_space.diffusers_bridge import config_from_spec, parameter_names
from search_space.errors import WalkbenchError
from search_space.exported import (
    FACTS_FILE,
    OWN_FOLDER,
    OWN_WEIGHTS,
    PACKAGE_FOLDERS,
    README_FILE,
    SPEC_FILE,
    STOCK_CONFIG,
    STOCK_FOLDER,
    STOCK_WEIGHTS,
)
from search_space.initialise import draws
from search_space.presets import name_of
from search_space.provenance import provenance
from search_space.spec import UNetSpec
from search_space.unet import UNet
from search_space.weight_file import file_bytes, write_weights
from studies.export_design import Exportable
from studies.export_readme import readme

Dtype = Literal["fp32", "fp16"]
DTYPES: dict[Dtype, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16}
OWN_CLASS = "search_space.unet.UNet"
Progress = Callable[[int, int], None]  # bytes written, bytes in all

_OURS = (SPEC_FILE, FACTS_FILE, README_FILE, STOCK_FOLDER, OWN_FOLDER, *PACKAGE_FOLDERS)


@dataclass(frozen=True)
class Exported:
    """The files of an export, the class that loads them, and why it is not a stock one."""

    folder: Path
    class_name: str
    why_own: str | None
    digest: str
    params: int
    files: tuple[Path, ...]


def export(
    design: Exportable,
    folder: Path,
    *,
    seed: int = 0,
    dtype: Dtype = "fp32",
    device: str = "iPhone 15 Pro",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write ``design`` into ``folder``, which is created if missing.

    ``device`` is used to estimate a latency if the design has none. ``overwrite`` replaces an
    earlier export and keeps other files of the folder. Raises :class:`WalkbenchError` if the folder
    is not empty, is not writable, or has too little free space.
    """
    spec = design.spec
    _check_folder(folder, overwrite)
    config, why_own = _stock_config(spec)
    facts = {
        "digest": spec.digest(),
        "name": name_of(spec) or design.name,
        "class": config["_class_name"] if config else OWN_CLASS,
        "why_own": why_own,
        "weights": {"kind": "initial", "seed": seed, "dtype": dtype},
        **_figures(design, device),
        "trial": design.trial,
        "provenance": provenance(),
    }
    try:
        with atomic_folder(folder, replaces=_OURS) as work:
            _write_unet(spec, config, work, seed, dtype, progress or (lambda *_: None))
            _write_text(work / SPEC_FILE, spec.to_json(indent=2))
            _write_text(work / FACTS_FILE, json.dumps(facts, indent=2, ensure_ascii=False))
            _write_text(work / README_FILE, readme(facts))
    except OSError as error:
        raise WalkbenchError(
            f"cannot write to {str(folder)!r}: {error.strerror or error}; choose another folder"
        ) from None
    files = [path for name in _OURS for path in _files(folder / name)]
    return Exported(
        folder, facts["class"], facts["why_own"], facts["digest"], facts["params"], tuple(files)
    )


def _stock_config(spec: UNetSpec) -> tuple[dict[str, Any] | None, str | None]:
    """Return the config of the stock class that builds ``spec``, or the reason there is none."""
    try:
        return config_from_spec(spec)[1], None
    except WalkbenchError as error:
        return None, str(error)


def _figures(design: Exportable, device: str) -> dict[str, Any]:
    spec, latency = design.spec, design.latency
    if latency is None:
        latency = {"device": device, **asdict(source_of(device).predict(spec))}
    return {
        **asdict(cost(spec)),
        "latent": spec.latent_size,
        "tokens": spec.context.tokens,
        "latency": latency,
        "score": design.score and {k: v for k, v in design.score.items() if k != "losses"},
    }


def _check_folder(folder: Path, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise WalkbenchError(f"{str(folder)!r} is a file; name a folder")
    held = sorted(path.name for path in folder.iterdir())
    if not held:
        return
    if not (folder / FACTS_FILE).exists():
        raise WalkbenchError(
            f"folder {str(folder)!r} holds {held[0]!r}, which is no export; name an empty folder"
        )
    if not overwrite:
        raise WalkbenchError(
            f"folder {str(folder)!r} holds an export; --overwrite replaces it, or name another"
        )


def _write_unet(
    spec: UNetSpec,
    config: dict[str, Any] | None,
    work: Path,
    seed: int,
    dtype: Dtype,
    progress: Progress,
) -> None:
    """Write config and weights, drawing one tensor at a time."""
    precision = DTYPES[dtype]
    with torch.device("meta"):
        unet = UNet(spec)
    shapes = {name: tuple(p.shape) for name, p in unet.named_parameters()}
    total = file_bytes(shapes.values(), precision)
    free = shutil.disk_usage(work).free
    if total > free:
        smaller = " or --dtype fp16" if dtype == "fp32" else ""
        raise WalkbenchError(
            f"the weights take {total / 1e9:.1f} GB, {free / 1e9:.1f} GB are free here; "
            f"choose another folder{smaller}"
        )
    if config is not None:
        names, path = parameter_names(spec), work / STOCK_FOLDER / STOCK_WEIGHTS
        path.parent.mkdir()
        _write_text(path.parent / STOCK_CONFIG, json.dumps(config, indent=2))
    else:
        names, path = {name: name for name in shapes}, work / OWN_FOLDER / OWN_WEIGHTS
        path.parent.mkdir()

    def tensors() -> Iterator[tuple[str, Tensor]]:
        done = 0
        for name, values in draws(unet, seed):
            yield names[name], values
            done += file_bytes([tuple(values.shape)], precision)
            progress(done, total)

    write_weights(
        path, {names[name]: shape for name, shape in shapes.items()}, tensors(), precision
    )


def _write_text(path: Path, text: str) -> None:
    path.write_text(text.rstrip() + "\n", encoding="utf-8")


def _files(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
