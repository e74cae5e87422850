"""`export(design, folder)`: write a design into a folder that trainers and pipelines load.

The network is a stock class of diffusers where one builds it exactly, else Walkbench's own class,
whose file the folder carries (:mod:`search_space.diffusers_bridge.carried`); around it are the
parts of a pipeline. :func:`search_space.exported.load_exported` loads every export. Weights are
initial values unless a checkpoint is given: a study trains small twins, not the design. Initial
values depend on the seed and on each parameter's name (:mod:`search_space.initialise`): two exports
with a common layer give it the same weights.

Equal arguments write equal bytes. The folder appears when it is complete
(:func:`search_space.atomic.atomic_folder`).

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
from proxies.train_config import TrainConfig, config_for
from proxies.train_yaml import render
from search_space.atomic import atomic_folder
from search_space.cost import cost
from search_space.diffusers_bridge import config_from_spec, parameter_names
from search_space.diffusers_bridge.carried import CARRIED, CLASS_NAME, carried_source
from search_space.diffusers_bridge.own_config import own_config
from search_space.errors import WalkbenchError
from search_space.exported import (
    CAPTIONS_FILE,
    FACTS_FILE,
    FORMAT,
    INDEX_FILE,
    OWN_FOLDER,
    PACKAGE_FOLDERS,
    PIPELINE_FOLDERS,
    PROVENANCE_FILE,
    README_FILE,
    SCHEDULER_FOLDER,
    SPEC_FILE,
    STOCK_CONFIG,
    STOCK_FOLDER,
    STOCK_WEIGHTS,
    TRAIN_FILE,
    read_facts,
)
from search_space.presets import name_of
from search_space.provenance import provenance
from search_space.spec import UNetSpec
from search_space.unet import UNet
from search_space.weight_file import file_bytes, write_weights
from studies.export_design import Exportable
from studies.export_pipeline import (
    Components,
    model_index,
    pipeline_for,
    scheduler_config,
)
from studies.export_readme import readme
from studies.export_weights import SeededWeights, Weights

Dtype = Literal["fp32", "fp16"]
DTYPES: dict[Dtype, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16}
Progress = Callable[[int, int], None]  # bytes written, bytes in all

SCHEDULER_CONFIG = "scheduler_config.json"

_OURS = (
    SPEC_FILE,
    FACTS_FILE,
    PROVENANCE_FILE,
    README_FILE,
    INDEX_FILE,
    TRAIN_FILE,
    CAPTIONS_FILE,
    STOCK_FOLDER,
    SCHEDULER_FOLDER,
    *PIPELINE_FOLDERS,
    OWN_FOLDER,
    *PACKAGE_FOLDERS,
)


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
    weights: Weights | None = None,
    components: Components | None = None,
    recipe: TrainConfig | None = None,
    dtype: Dtype = "fp32",
    device: str = "iPhone 15 Pro",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write ``design`` into ``folder``, which is created if missing.

    ``weights`` are initial ones of seed 0, ``components`` of a pipeline none and ``recipe`` that of
    :func:`config_for` by default.
    ``device`` is used to estimate a latency if the design has none. ``overwrite`` replaces an
    earlier export and keeps other files of the folder. Raises :class:`WalkbenchError` if the folder
    is not empty, is not writable, or has too little free space.
    """
    spec, weights = design.spec, weights or SeededWeights()
    components = components or Components({})
    check_folder(folder, overwrite)
    network = _network_class(spec, weights)
    facts = {
        "format": FORMAT,
        "digest": spec.digest(),
        "name": name_of(spec) or design.name,
        "class": network.name,
        "why_own": network.why_own,
        "pipeline": asdict(pipeline_for(spec)),
        "components": {"named": components.named, "copied": sorted(components.entries)},
        "weights": {**weights.facts, "dtype": dtype},
        **_figures(design, device),
        "trial": design.trial and {k: v for k, v in design.trial.items() if k != "provenance"},
    }
    made, recipe = _provenance(design), recipe or config_for(spec)
    library = CARRIED if network.is_own else "diffusers"
    index = model_index(pipeline_for(spec), (library, network.name), components)
    try:
        with atomic_folder(folder, replaces=_OURS) as work:
            _check_room(work, spec, dtype, components)
            _write_unet(spec, network, weights, work / STOCK_FOLDER, dtype, progress)
            components.copy_to(work)
            if weights.captions:
                shapes = {name: tuple(table.shape) for name, table in weights.captions.items()}
                path, tables = work / CAPTIONS_FILE, weights.captions.items()
                write_weights(path, shapes, tables, torch.float32)
            sampler = scheduler_config(recipe.flow.shift)
            _write_json(work / SCHEDULER_FOLDER / SCHEDULER_CONFIG, sampler)
            if index is not None:
                _write_json(work / INDEX_FILE, index)
            _write_text(work / SPEC_FILE, spec.to_json(indent=2))
            _write_json(work / FACTS_FILE, facts)
            _write_json(work / PROVENANCE_FILE, made)
            _write_text(work / TRAIN_FILE, render(recipe, spec, facts["name"]))
            _write_text(work / README_FILE, readme(facts, made))
    except OSError as error:
        raise WalkbenchError(
            f"cannot write to {str(folder)!r}: {error.strerror or error}; choose another folder"
        ) from None
    files = [path for name in _OURS for path in _files(folder / name)]
    return Exported(
        folder, facts["class"], facts["why_own"], facts["digest"], facts["params"], tuple(files)
    )


@dataclass(frozen=True)
class NetworkClass:
    """The class that builds a network, its config, and why it is not one of diffusers."""

    name: str
    config: dict[str, Any]
    why_own: str | None = None

    @property
    def is_own(self) -> bool:
        """Whether the export carries the file of the class."""
        return self.why_own is not None


def _network_class(spec: UNetSpec, weights: Weights) -> NetworkClass:
    """Return the class for ``spec``: diffusers' own where it computes exactly the same."""
    if weights.moments is not None:
        why = "the weights add to a linear guess of the velocity, which no stock class makes"
        return NetworkClass(CLASS_NAME, own_config(spec, weights.moments), why)
    try:
        name, config = config_from_spec(spec)
        return NetworkClass(name, config)
    except WalkbenchError as error:
        return NetworkClass(CLASS_NAME, own_config(spec), str(error))


def _provenance(design: Exportable) -> dict[str, Any]:
    """Return versions, and where the figures of a trial were measured.

    Without the date and machine of the export, so that equal exports have equal bytes.
    """
    here = provenance("diffusers", "safetensors")
    return {
        "digest": design.spec.digest(),
        "versions": here["versions"],
        "code_revision": here["code_revision"],
        "trial": design.trial,
    }


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


def check_folder(folder: Path, overwrite: bool) -> None:
    """Raise :class:`WalkbenchError` unless an export may be written into ``folder``."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise WalkbenchError(f"{str(folder)!r} is a file; name a folder")
    held = sorted(path.name for path in folder.iterdir())
    if not held:
        return
    read_facts(folder)  # a newer version's folder may have entries that this one does not know
    if not (folder / FACTS_FILE).exists():
        raise WalkbenchError(
            f"folder {str(folder)!r} holds {held[0]!r}, which is no export; name an empty folder"
        )
    if not overwrite:
        raise WalkbenchError(
            f"folder {str(folder)!r} holds an export; --overwrite replaces it, or name another"
        )


def _check_room(work: Path, spec: UNetSpec, dtype: Dtype, components: Components) -> None:
    total = file_bytes(_shapes(spec).values(), DTYPES[dtype]) + components.bytes
    free = shutil.disk_usage(work).free
    if total > free:
        smaller = " or --dtype fp16" if dtype == "fp32" else ""
        raise WalkbenchError(
            f"the weights take {total / 1e9:.1f} GB, {free / 1e9:.1f} GB are free here; "
            f"choose another folder{smaller}"
        )


def _empty(spec: UNetSpec) -> UNet:
    with torch.device("meta"):
        return UNet(spec)


def _shapes(spec: UNetSpec) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in _empty(spec).named_parameters()}


def _write_unet(
    spec: UNetSpec,
    network: NetworkClass,
    weights: Weights,
    folder: Path,
    dtype: Dtype,
    progress: Progress | None,
) -> None:
    """Write config, weights and, where it is our own, the class; one tensor at a time."""
    _write_json(folder / STOCK_CONFIG, network.config)
    precision, unet, shapes = DTYPES[dtype], _empty(spec), _shapes(spec)
    total = file_bytes(shapes.values(), precision)
    names = {name: name for name in shapes} if network.is_own else parameter_names(spec)
    if network.is_own:
        _write_text(folder / f"{CARRIED}.py", carried_source())

    def tensors() -> Iterator[tuple[str, Tensor]]:
        done = 0
        for name, values in weights.tensors(spec, unet):
            yield names[name], values
            done += file_bytes([tuple(values.shape)], precision)
            if progress is not None:
                progress(done, total)

    stored = {names[name]: shape for name, shape in shapes.items()}
    write_weights(folder / STOCK_WEIGHTS, stored, tensors(), precision)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write_text(path, json.dumps(content, indent=2, ensure_ascii=False))


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.rstrip() + "\n", encoding="utf-8")


def _files(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
