"""The parts of an export around the network: the sampler, and what diffusers' pipeline needs.

The scheduler integrates the velocity that networks predict. Pipelines of diffusers ask every
scheduler for `init_noise_sigma`, which FlowMatchEuler has not; DPM-Solver++ with flow sigmas has it
and takes the same path. Text encoders, tokenizers and VAE are copied from the folder of another
pipeline, or named.

>>> from search_space.presets import named_spec
>>> pipeline_for(named_spec("snapgen-t2i")).name
'StableDiffusionPipeline'
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_space.diffusers_bridge.classes import DIFFUSERS_VERSION
from search_space.errors import WalkbenchError
from search_space.exported import INDEX_FILE, PIPELINE_FOLDERS, SCHEDULER_FOLDER, STOCK_FOLDER
from search_space.spec import UNetSpec

SCHEDULER = "DPMSolverMultistepScheduler"
SINGLE, XL = "StableDiffusionPipeline", "StableDiffusionXLPipeline"
_XL_SIZE_IDS = 6
_UNUSED: dict[str, dict[str, Any]] = {
    SINGLE: {
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "safety_checker": [None, None],
        "requires_safety_checker": False,
    },
    XL: {
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "force_zeros_for_empty_prompt": True,
    },
}


@dataclass(frozen=True)
class Pipeline:
    """A class of diffusers that runs the network, None with the reason where there is none."""

    name: str | None
    why_not: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Folders of the parts beside network and scheduler."""
        doubled = self.name == XL
        return tuple(name for name in PIPELINE_FOLDERS if doubled or not name.endswith("_2"))


def pipeline_for(spec: UNetSpec) -> Pipeline:
    """Return the stock pipeline that passes exactly the conditions of ``spec``."""
    conditions = spec.conditions
    if conditions.classes:
        return Pipeline(None, "no stock pipeline passes class labels together with text")
    if not conditions.added_width:
        return Pipeline(SINGLE)
    if conditions.pooled_width and conditions.size_ids == _XL_SIZE_IDS:
        return Pipeline(XL)
    return Pipeline(
        None,
        f"no stock pipeline passes pooled text of {conditions.pooled_width} and "
        f"{conditions.size_ids} size numbers",
    )


def scheduler_config(shift: float) -> dict[str, Any]:
    """Return the sampler's config: DPM-Solver++ on the straight path of flow matching.

    ``shift`` moves times towards noise, as in training (SD3, arXiv 2403.03206, §5.3.2).
    """
    return {
        "_class_name": SCHEDULER,
        "_diffusers_version": DIFFUSERS_VERSION,
        "algorithm_type": "dpmsolver++",
        "final_sigmas_type": "zero",
        "flow_shift": shift,
        "num_train_timesteps": 1000,
        "prediction_type": "flow_prediction",
        "solver_order": 2,
        "steps_offset": 1,
        "use_flow_sigmas": True,
    }


@dataclass(frozen=True)
class Components:
    """Text encoders, tokenizers and VAE of a pipeline.

    ``entries``: library and class by part. ``folder``: where they are copied from, None where the
    pipeline is only ``named``.
    """

    entries: dict[str, tuple[str, str]]
    folder: Path | None = None
    named: str | None = None

    def files(self) -> Iterator[tuple[Path, Path]]:
        """Yield every file to copy and its path in an export."""
        if self.folder is None:
            return
        for part in self.entries:
            for path in sorted((self.folder / part).rglob("*")):
                if path.is_file() and not path.name.startswith("."):
                    yield path, path.relative_to(self.folder)

    @property
    def bytes(self) -> int:
        """What the files take."""
        return sum(path.stat().st_size for path, _ in self.files())

    def copy_to(self, folder: Path) -> None:
        """Copy the files below ``folder``; links are followed."""
        for source, name in self.files():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / name)


def components_of(text: str | None, spec: UNetSpec) -> Components:
    """Return the parts of the pipeline in folder ``text``, or of the one that is called so.

    A folder is what `DiffusionPipeline.save_pretrained` writes; its parts must fit the design.
    Raises :class:`WalkbenchError` where one is missing or of another width.
    """
    if text is None:
        return Components({})
    folder, pipeline = Path(text), pipeline_for(spec)
    if pipeline.name is None:
        raise WalkbenchError(f"--pipeline {text}: {pipeline.why_not}; leave it out")
    if not folder.exists() and text.count("/") <= 1 and not text.startswith((".", "/")):
        return Components({}, named=text)
    index = _json(folder / INDEX_FILE, "a folder that `DiffusionPipeline.save_pretrained` wrote")
    entries = {}
    for part in pipeline.parts:
        entry = index.get(part)
        if not entry or entry[0] is None or not (folder / part).is_dir():
            raise WalkbenchError(
                f"pipeline {text!r} has no {part}, which {pipeline.name} needs; its parts: "
                f"{', '.join(sorted(path.name for path in folder.iterdir() if path.is_dir()))}"
            )
        entries[part] = (str(entry[0]), str(entry[1]))
    _check_widths(folder, pipeline, spec)
    return Components(entries, folder)


def _check_widths(folder: Path, pipeline: Pipeline, spec: UNetSpec) -> None:
    def field(part: str, *names: str) -> int:
        config = _json(folder / part / "config.json", "the config of that part")
        return int(next((config[name] for name in names if name in config), 0))

    encoders = [part for part in pipeline.parts if part.startswith("text_encoder")]
    found = {
        "latent channels of its VAE": (field("vae", "latent_channels"), spec.in_channels),
        "width of its text embeddings": (
            sum(field(part, "hidden_size", "d_model") for part in encoders),
            spec.context.given_width,
        ),
    }
    if pipeline.name == XL:
        pooled = field("text_encoder_2", "projection_dim")
        found["width of its pooled text"] = (pooled, spec.conditions.pooled_width)
    for what, (given, wanted) in found.items():
        if given != wanted:
            raise WalkbenchError(
                f"pipeline {str(folder)!r}: the {what} is {given}, the design has {wanted}; choose "
                "a pipeline that fits the design"
            )


def _json(path: Path, what: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WalkbenchError(f"{path} cannot be read: {error.strerror}; name {what}") from None
    except ValueError:
        raise WalkbenchError(f"{path} is not JSON; name {what}") from None
    return found if isinstance(found, dict) else {}


def model_index(
    pipeline: Pipeline, unet: tuple[str, str], components: Components
) -> dict[str, Any] | None:
    """Return `model_index.json`; ``unet`` is library and class of the network."""
    if pipeline.name is None:
        return None
    absent = dict.fromkeys(pipeline.parts, (None, None))
    return {
        "_class_name": pipeline.name,
        "_diffusers_version": DIFFUSERS_VERSION,
        **_UNUSED[pipeline.name],
        **{part: list(entry) for part, entry in (absent | components.entries).items()},
        SCHEDULER_FOLDER: ["diffusers", SCHEDULER],
        STOCK_FOLDER: list(unet),
    }
