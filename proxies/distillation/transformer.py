"""`TransformerReader`: a transformer of diffusers that reads this data's captions.

Cross-architecture distillation (SnapGen, arXiv 2412.09619, §3.3): a transformer teaches a UNet on
the same latents. `captions.safetensors` beside the transformer has the table that it was trained
with: ``words.weight`` (V, W) for word numbers, or (W, E) for embeddings E wide, ``places.weight``
(T, W), and ``pool.weight`` (P, W) with ``pool.bias``, which make pooled text of the words' mean.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from proxies.data.training_data import TrainingData
from proxies.distillation.teacher import ModuleTeacher, Reads
from proxies.flow_matching import TIME_SCALE
from search_space.atomic import atomic_write
from search_space.errors import WalkbenchError
from search_space.exported import CAPTIONS_FILE
from search_space.weight_file import read_weights


class TransformerReader(nn.Module):
    """Velocities of noisy pictures by a transformer with joint blocks, as SD3's.

    ``vocabulary`` counts words; for embeddings of ``text_width`` it has no effect.
    """

    def __init__(self, transformer: Any, vocabulary: int, tokens: int, text_width: int = 0) -> None:
        super().__init__()
        config = transformer.config
        width, pooled = config.joint_attention_dim, config.pooled_projection_dim
        self.transformer = transformer
        self.words = nn.Linear(text_width, width) if text_width else nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(tokens, width)
        self.pool = nn.Linear(width, pooled)

    def forward(self, x_t: Tensor, t: Tensor, text: Tensor, labels: Tensor | None = None) -> Tensor:
        """Noisy pictures (B, C, H, W), times (B,) in [0, 1] and text to velocities."""
        context = self.words(text) + self.places.weight  # (B, T, W)
        out: Tensor = self.transformer(
            hidden_states=x_t,
            timestep=t * TIME_SCALE,
            encoder_hidden_states=context,
            pooled_projections=self.pool(context.mean(dim=1)),
            return_dict=False,
        )[0]
        return out

    def save(self, folder: Path) -> None:
        """Write transformer and table into ``folder``, as :func:`transformer_teacher` reads."""
        self.transformer.save_pretrained(folder)
        own = {
            name: value.detach().cpu().contiguous()
            for name, value in self.state_dict().items()
            if not name.startswith("transformer.")
        }
        with atomic_write(folder / CAPTIONS_FILE) as partial:
            save_file(own, partial)


def as_teacher(reader: TransformerReader, *, name: str, digest: str) -> ModuleTeacher:
    """Return the teacher of a reader; its layers are the transformer's blocks."""
    blocks = [f"transformer_blocks.{i}" for i in range(len(reader.transformer.transformer_blocks))]
    config = reader.transformer.config
    return ModuleTeacher(
        reader,
        Reads(channels=config.in_channels, size=config.sample_size),
        name=name,
        digest=digest,
        root=reader.transformer,
        layers=blocks,
        last_layer=blocks[-1],
    )


def transformer_teacher(
    transformer: nn.Module, folder: Path, data: TrainingData, *, name: str, digest: str
) -> ModuleTeacher:
    """Return the teacher of ``transformer`` with the table of captions in ``folder``.

    Raises :class:`WalkbenchError` where the table is missing or of other text than ``data`` have.
    """
    path = folder / CAPTIONS_FILE
    if not path.is_file():
        raise WalkbenchError(
            f"transformer {name!r} has no {CAPTIONS_FILE} to read captions with; save it with "
            "proxies.distillation.transformer.TransformerReader.save"
        )
    table = read_weights(path)
    reader = TransformerReader(transformer, data.vocabulary, data.text_tokens, data.text_width)
    own = {n: p for n, p in reader.state_dict().items() if not n.startswith("transformer.")}
    for part, wanted in own.items():
        found = tuple(table[part].shape) if part in table else None
        if found != tuple(wanted.shape):
            raise WalkbenchError(
                f"{CAPTIONS_FILE} of transformer {name!r} has {part} {found} and data "
                f"{data.name!r} need {tuple(wanted.shape)}; train it on captions of these data"
            )
    with torch.no_grad():
        for part, value in table.items():
            if part in own:
                own[part].copy_(value)
    return as_teacher(reader, name=name, digest=digest)
