"""CLIP score and CLIP's feature space, from a local model folder; nothing is downloaded.

The score is 100 · max(cos(picture, prompt), 0), averaged (Hessel et al., arXiv 2104.08718, without
their factor of 2.5; torchmetrics scales alike). It compares within one CLIP model only, so the
model's folder and digest are part of its name.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxies.data.pretrained import check_complete, digest, frozen, loading, quiet
from proxies.evaluation.image_space import ImageSpace

# OpenAI's, where the folder has no preprocessor_config.json
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, eq=False)
class Clip:
    """A CLIP model in float32 with its tokenizer; ``side`` is that of the pictures it reads."""

    name: str
    digest: str
    model: Any
    tokenizer: Any
    side: int
    tokens: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def space(self) -> ImageSpace:
        """Return the space of its picture embeddings."""
        dim = int(self.model.config.projection_dim)
        return ImageSpace(self.name, self.digest, dim, lambda x: self.embed(x, None)[0])

    @torch.no_grad()
    def embed(
        self, images: NDArray[np.uint8], prompts: Sequence[str] | None
    ) -> tuple[Tensor, Tensor]:
        """Return embeddings of length 1 of pictures and prompts, (N, D) float64 each."""
        words = self.tokenizer(
            list(prompts or ["a"]),
            padding=True,
            truncation=True,
            max_length=self.tokens,
            return_tensors="pt",
        )
        device = next(self.model.parameters()).device
        found = self.model(
            input_ids=words["input_ids"].to(device),
            attention_mask=words["attention_mask"].to(device),
            pixel_values=self._pixels(images).to(device),
        )
        image, text = found.image_embeds.double().cpu(), found.text_embeds.double().cpu()
        return (
            image / image.norm(dim=1, keepdim=True),
            text / text.norm(dim=1, keepdim=True),
        )

    def scores(self, images: NDArray[np.uint8], prompts: Sequence[str]) -> Tensor:
        """Return 100 · max(cos, 0) of each picture with its prompt, (N,)."""
        image, text = self.embed(images, prompts)
        return 100 * (image * text).sum(dim=1).clamp(min=0)

    def cut(self, prompt: str) -> bool:
        """Whether the model reads only the beginning of ``prompt``."""
        return len(self.tokenizer(prompt)["input_ids"]) > self.tokens

    def _pixels(self, images: NDArray[np.uint8]) -> Tensor:
        from PIL import Image

        size = (self.side, self.side)
        squares = [Image.fromarray(x).resize(size, Image.Resampling.BICUBIC) for x in images]
        values = np.stack([np.asarray(square, dtype=np.float32) for square in squares]) / 255
        scaled = (values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return torch.from_numpy(scaled.astype(np.float32)).permute(0, 3, 1, 2)


def load_clip(folder: Path, device: str = "cpu") -> Clip:
    """Return the CLIP model of ``folder``; raises :class:`WalkbenchError`.

    For a folder that holds none, lacks weights or a tokenizer, and without transformers.
    """
    with loading("CLIP model", str(folder), "transformers"):
        from transformers import AutoTokenizer, CLIPModel
        from transformers.utils import logging

        if not folder.is_dir():
            raise FileNotFoundError("there is no folder of that name")
        with quiet(logging):
            opener: Any = CLIPModel
            model, info = opener.from_pretrained(
                folder, local_files_only=True, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        settings = folder / "preprocessor_config.json"
        found = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
    check_complete("CLIP model", str(folder), info)
    config = model.config
    found_digest = digest(model, config.to_dict())[:12]
    return Clip(
        f"{folder.resolve().name}@{found_digest[:8]}",
        found_digest,
        frozen(model, device),
        tokenizer,
        int(config.vision_config.image_size),
        int(config.text_config.max_position_embeddings),
        tuple(found.get("image_mean", MEAN)),
        tuple(found.get("image_std", STD)),
    )
