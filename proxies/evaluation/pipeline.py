"""Draw pictures with a bundle: a folder that diffusers' `DiffusionPipeline` opens.

Each picture has a seed of its own, from the seed of the run, the number of its prompt and its
number, so the pictures do not depend on the batch.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from proxies.data.pretrained import first_line, quiet
from proxies.hardware import Hardware
from search_space.errors import WalkbenchError
from search_space.initialise import stream

INDEX = "model_index.json"
PARTS = ("vae", "text_encoder", "tokenizer")


@dataclass(frozen=True, eq=False)
class Drawer:
    """A pipeline with its settings; ``size`` None is what the network was made for."""

    pipeline: Any
    steps: int
    guidance: float
    seed: int
    size: int | None = None

    def draw(self, jobs: Sequence[tuple[int, int, str]]) -> NDArray[np.uint8]:
        """Return a picture (N, S, S, 3) for each (number of the prompt, of the picture, prompt)."""
        generators = [
            stream(self.seed, f"prompt {prompt}, picture {image}") for prompt, image, _ in jobs
        ]
        sides = {} if self.size is None else {"height": self.size, "width": self.size}
        with torch.no_grad():
            found = self.pipeline(
                [text for _, _, text in jobs],
                num_inference_steps=self.steps,
                guidance_scale=self.guidance,
                generator=generators,
                output_type="np",
                **sides,
            ).images  # (N, S, S, 3) in [0, 1]
        if not np.isfinite(found).all():
            raise WalkbenchError(
                "the network draws values that are no numbers; train it, or check its weights"
            )
        return np.floor(np.asarray(found) * 255 + 0.5).clip(0, 255).astype(np.uint8)


def is_bundle(folder: Path) -> bool:
    """Whether ``folder`` holds a pipeline."""
    return (folder / INDEX).is_file()


def load_pipeline(folder: Path, device: str = "cpu") -> Any:
    """Return the pipeline of ``folder`` on ``device``; raises :class:`WalkbenchError`.

    Code in the folder is not run: Walkbench's own class comes from Walkbench, and weights are read
    from safetensors files alone, never from pickles.
    """
    there = Hardware.of(device).device
    _check_parts(folder)
    try:
        import diffusers
        import transformers
        from diffusers import DiffusionPipeline
    except ImportError:
        raise WalkbenchError(
            "drawing with a bundle needs diffusers and transformers; pip install 'walkbench[cache]'"
        ) from None
    try:
        with quiet(transformers.utils.logging), quiet(diffusers.utils.logging):
            opener: Any = DiffusionPipeline
            pipeline = opener.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, **_own(folder)
            )
    except Exception as error:  # diffusers raises whatever it likes
        raise WalkbenchError(
            f"{str(folder)!r} cannot be opened as a pipeline: {first_line(error)}; it needs unet, "
            "scheduler, text_encoder, tokenizer and vae"
        ) from None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(there)


def _check_parts(folder: Path) -> None:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        lacking = [part for part in PARTS if part in index and index[part][0] is None]
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise WalkbenchError(f"{str(folder / INDEX)!r} is no pipeline's index: {error}") from None
    if lacking:
        raise WalkbenchError(
            f"bundle {str(folder)!r} has no {', '.join(lacking)}, so it cannot draw; export it "
            "with --pipeline and a folder that has them"
        )


def _own(folder: Path) -> dict[str, Any]:
    """Return the UNet where it is of Walkbench's class, which diffusers has no name for."""
    from search_space.diffusers_bridge.carried import CLASS_NAME

    config = folder / "unet" / "config.json"
    if json.loads(config.read_text(encoding="utf-8")).get("_class_name") != CLASS_NAME:
        return {}
    from search_space.diffusers_bridge.walkbench_unet import WalkbenchUNet2DConditionModel

    return {"unet": WalkbenchUNet2DConditionModel.from_pretrained(folder / "unet")}
