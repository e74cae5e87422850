"""Transformers of diffusers, as teachers: those that learn the velocity of flow matching.

A folder is one that ``save_pretrained`` wrote, of the transformer or of a pipeline that has one.
"""

import json
from pathlib import Path
from typing import Any

from torch import nn

from search_space.errors import WalkbenchError

CONFIG = "config.json"
CLASSES = ("SD3Transformer2DModel",)  # velocity, joint blocks, pooled text
FOLDER = "transformer"  # the name that pipelines give it


def transformer_folder(folder: Path) -> Path | None:
    """Return where in ``folder`` a transformer of diffusers lies; None for other folders."""
    for place in (folder / FOLDER, folder):
        name = _config(place).get("_class_name", "")
        if "Transformer" in str(name):
            return place
    return None


def load_transformer(folder: Path) -> nn.Module:
    """Return the transformer in ``folder``, in float32 on the CPU.

    Raises :class:`WalkbenchError` for a class that is not known to predict a velocity, and for
    weights that are missing or damaged.
    """
    name = _config(folder).get("_class_name")
    if name not in CLASSES:
        raise WalkbenchError(
            f"{str(folder)!r} holds a {name}, which is not known to predict a velocity; use one "
            f"of {', '.join(CLASSES)}"
        )
    import diffusers

    try:
        module: nn.Module = getattr(diffusers, name).from_pretrained(folder)
    except (OSError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())[:200]
        raise WalkbenchError(f"transformer {str(folder)!r} cannot be loaded: {said}") from None
    return module.float()


def _config(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
