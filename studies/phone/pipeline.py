"""Text encoders and VAE decoder of a diffusers pipeline's folder, as modules for Core ML.

The folder has `text_encoder`, `tokenizer`, `vae` and, for XL, `text_encoder_2`, as
`DiffusionPipeline.save_pretrained` writes them. Nothing is downloaded.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from search_space.errors import WalkbenchError
from studies.phone.swift_contract import TOKENS

MASKED = -1e4  # added to what a token may not see; half precision has no larger round number


class TextEncoder(nn.Module):
    """CLIP's text model with float token numbers, as Swift passes them, and its causal mask.

    ``penultimate``: hidden states before the last layer, which XL reads, not the last ones.
    """

    def __init__(self, encoder: nn.Module, penultimate: bool):
        super().__init__()
        self.encoder, self.penultimate = encoder, penultimate
        later = torch.full((TOKENS, TOKENS), MASKED).triu(1)
        self.register_buffer("mask", later[None, None], persistent=False)  # (1, 1, T, T)

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        """(1, T) numbers to hidden states (1, T, D) and pooled text (1, D)."""
        found: Any = self.encoder(
            input_ids.to(torch.int32),
            attention_mask=self.mask,
            output_hidden_states=self.penultimate,
            return_dict=True,
        )
        hidden = found.hidden_states[-2] if self.penultimate else found.last_hidden_state
        pooled = getattr(found, "text_embeds", None)
        return hidden, found.pooler_output if pooled is None else pooled


class Decoder(nn.Module):
    """The decoder of a VAE, its first convolution included."""

    def __init__(self, vae: Any):
        super().__init__()
        self.config = vae.config
        self.first = vae.post_quant_conv if vae.post_quant_conv is not None else nn.Identity()
        self.decoder = vae.decoder

    def forward(self, z: Tensor) -> tuple[Tensor]:
        """(1, C, H, W) to a picture (1, 3, 8H, 8W) from -1 to 1."""
        return (self.decoder(self.first(z)),)


def load_text_encoder(folder: Path, name: str, penultimate: bool) -> tuple[TextEncoder, int]:
    """Return a text encoder of the folder and the width of its hidden states."""
    try:
        import transformers
    except ImportError:
        raise _missing() from None
    kind = "CLIPTextModel" if name == "text_encoder" else "CLIPTextModelWithProjection"
    model = _loaded(getattr(transformers, kind), folder / name, attn_implementation="eager")
    if model.config.max_position_embeddings != TOKENS:
        raise WalkbenchError(
            f"{folder / name} reads {model.config.max_position_embeddings} tokens, {TOKENS} are "
            "needed; choose a pipeline with CLIP's text encoder"
        )
    return TextEncoder(model, penultimate).eval(), int(model.config.hidden_size)


def load_decoder(folder: Path) -> tuple[Decoder, int]:
    """Return the VAE's decoder and the number of its latent channels."""
    try:
        import diffusers
    except ImportError:
        raise _missing() from None
    vae = _loaded(diffusers.AutoencoderKL, folder / "vae", low_cpu_mem_usage=False)
    return Decoder(vae).eval(), int(vae.config.latent_channels)


def tokenizer_file(folder: Path, name: str) -> bytes:
    """Return `vocab.json` or `merges.txt` of the pipeline's tokenizer."""
    path = folder / "tokenizer" / name
    try:
        return path.read_bytes()
    except OSError as error:
        raise WalkbenchError(
            f"{path} cannot be read: {error.strerror}; --pipeline names a folder of diffusers"
        ) from None


def _loaded(kind: Any, path: Path, **options: Any) -> Any:
    if not (path / "config.json").exists():
        raise WalkbenchError(
            f"{path} has no config.json; --pipeline names a folder that diffusers wrote, with "
            "text_encoder, tokenizer and vae in it"
        )
    try:
        return kind.from_pretrained(path, local_files_only=True, **options).float()
    except (OSError, ValueError, RuntimeError) as error:
        first = " ".join(str(error).split())[:200]
        raise WalkbenchError(f"{path} cannot be loaded: {first}") from None


def _missing() -> WalkbenchError:
    return WalkbenchError("--pipeline needs the cache extra; pip install 'walkbench[cache]'")
