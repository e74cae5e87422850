"""The frozen networks that make a cache: a VAE of diffusers, a text encoder of transformers.

Each is loaded from a folder or a hub id; ``org/name/vae`` is the folder ``vae`` of ``org/name``.
Both run in float32 without randomness: a VAE's distribution is replaced by its mode. A digest of
config and weights identifies the network, whatever its name.

Latents are returned as diffusion models read them: ``(z − shift) × scale``, with the VAE's own
factors. Embeddings are those of every token, padding included, as the encoder gives them.

>>> ones = Encoder("ones", "0f", lambda captions: torch.ones(len(captions), 2, 5))
>>> ones.probe(["a cat"])
(2, 5)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxies.data.pretrained import (
    check_complete,
    digest,
    first_line,
    frozen,
    loading,
    place,
    quiet,
)
from search_space.errors import WalkbenchError

Factor = float | list[float]  # one for all channels, or one per channel

_WITHOUT_MASK = ("clip", "clip_text_model")  # causal: diffusers' pipelines let them see padding


@dataclass(frozen=True, eq=False)
class Encoder:
    """A frozen network: ``encode`` maps a batch of inputs to a tensor, (B, …) float32.

    It reads pictures (B, S, S, 3) as bytes, or a list of captions. Latents are
    ``(z − shift) × scale``.
    """

    name: str
    digest: str
    encode: Callable[[Any], Tensor]
    scale: Factor = 1.0
    shift: Factor = 0.0

    def probe(self, one: Any) -> tuple[int, ...]:
        """Return the shape that a sample becomes; ``one`` is a batch of one.

        Raises :class:`WalkbenchError` when the network cannot read it.
        """
        try:
            return tuple(self.encode(one).shape[1:])
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise WalkbenchError(
                f"{self.name!r} cannot encode {_described(one)}: {first_line(error)}; use another "
                "size, or another network"
            ) from None


def load_vae(name: str, device: str = "cpu") -> Encoder:
    """Return the VAE, autoencoder or tiny autoencoder of diffusers that ``name`` names.

    Raises :class:`WalkbenchError` when diffusers is missing, or ``name`` is not found, is no
    autoencoder or lacks weights.
    """
    with loading("VAE", name, "diffusers"):
        import diffusers
        from diffusers.utils import logging

        source, subfolder = place(name)
        kind = diffusers.AutoModel.load_config(source, subfolder=subfolder).get("_class_name")
        found: Any = getattr(diffusers, str(kind), None)
        if not hasattr(found, "encode"):
            raise ValueError(f"it is a {kind}, and not an autoencoder of diffusers")
        with quiet(logging):
            vae, info = found.from_pretrained(
                source, subfolder=subfolder, output_loading_info=True, low_cpu_mem_usage=False
            )
    check_complete("VAE", name, info)
    network = frozen(vae, device)
    scale, shift = _factors(vae.config)

    @torch.no_grad()
    def encode(pictures: NDArray[np.uint8]) -> Tensor:
        pixels = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float()
        found = network.encode(pixels / 127.5 - 1)  # type: ignore[operator]
        z = _latents(found)  # (B, C, S', S')
        return ((z - _per_channel(shift, z)) * _per_channel(scale, z)).cpu()

    return Encoder(name, digest(vae, vae.config), encode, scale, shift)


def load_text_encoder(
    name: str, tokens: int, tokenizer: str | None = None, layer: int = -1, device: str = "cpu"
) -> Encoder:
    """Return CLIP's text model, T5's encoder, Gemma or any other text model of transformers.

    Captions become ``tokens`` embeddings. ``layer`` counts hidden states from the end: −1 is the
    model's output, −2 the layer before it, which SDXL reads. ``tokenizer`` names one that is
    elsewhere. Raises :class:`WalkbenchError` as :func:`load_vae`, and for more tokens or layers
    than the model has.
    """
    if tokens < 1 or layer > -1:
        raise WalkbenchError(
            f"tokens is {tokens} and layer {layer}; tokens are 1 or more, layers count from -1 back"
        )
    with loading("text encoder", name, "transformers"):
        import transformers
        from transformers.utils import logging

        source, subfolder = place(name)
        config = transformers.AutoConfig.from_pretrained(source, subfolder=subfolder)
        kind: Any = transformers.AutoModel
        if config.model_type == "clip":  # both towers in one file
            kind = transformers.CLIPTextModel
        elif type(config) in transformers.MODEL_FOR_TEXT_ENCODING_MAPPING:  # T5 without decoder
            kind = transformers.AutoModelForTextEncoding
        with quiet(logging):
            model, info = kind.from_pretrained(
                source, subfolder=subfolder, output_loading_info=True, dtype=torch.float32
            )
    check_complete("text encoder", name, info)
    config = model.config.get_text_config()
    most = getattr(config, "max_position_embeddings", None)
    if most is not None and tokens > most:
        raise WalkbenchError(
            f"text encoder {name!r} reads at most {most} tokens, {tokens} were requested; use "
            f"{most} or fewer"
        )
    depth = getattr(config, "num_hidden_layers", None)
    if depth is not None and -layer > depth + 1:
        raise WalkbenchError(
            f"text encoder {name!r} has hidden states -1 to {-depth - 1}, layer {layer} was "
            "requested; use one of them"
        )
    words = _tokenizer(tokenizer or _beside(name), tokens)
    network = frozen(model, device)
    masked = config.model_type not in _WITHOUT_MASK

    @torch.no_grad()
    def encode(captions: Sequence[str]) -> Tensor:
        read = words(list(captions)).to(device)
        mask = {"attention_mask": read["attention_mask"]} if masked else {}
        found = network(read["input_ids"], **mask, output_hidden_states=layer != -1)
        state = found.last_hidden_state if layer == -1 else found.hidden_states[layer]
        return state.float().cpu()  # type: ignore[no-any-return]

    return Encoder(name, digest(model, config.to_dict(), repr(words.vocabulary), layer), encode)


@dataclass(frozen=True, eq=False)
class _Words:
    """A tokenizer that pads on the right to one length, as cross-attention wants it."""

    tokenizer: Any
    tokens: int

    @property
    def vocabulary(self) -> list[tuple[str, int]]:
        return sorted(self.tokenizer.get_vocab().items())

    def __call__(self, captions: list[str]) -> Any:
        return self.tokenizer(
            captions,
            padding="max_length",
            truncation=True,
            max_length=self.tokens,
            return_attention_mask=True,
            return_tensors="pt",
        )


def _tokenizer(name: str, tokens: int) -> _Words:
    with loading("tokenizer", name, "transformers"):
        from transformers import AutoTokenizer

        source, subfolder = place(name)
        found = AutoTokenizer.from_pretrained(source, subfolder=subfolder, padding_side="right")
    if found.pad_token is None:
        if found.eos_token is None:
            raise WalkbenchError(f"tokenizer {name!r} has no token to pad with; name another one")
        found.pad_token = found.eos_token
    return _Words(found, tokens)


def _beside(name: str) -> str:
    """Return the tokenizer's place: a pipeline has ``tokenizer_2`` beside ``text_encoder_2``."""
    head, slash, last = name.rstrip("/").rpartition("/")
    beside = f"{head}{slash}{last.replace('text_encoder', 'tokenizer')}"
    return beside if not Path(name).exists() or Path(beside).exists() else name


def _latents(found: Any) -> Tensor:
    """Return what an autoencoder's output holds; of a distribution, its mode."""
    if hasattr(found, "latent_dist"):
        return found.latent_dist.mode()  # type: ignore[no-any-return]
    return found.latent if hasattr(found, "latent") else found.latents  # type: ignore[no-any-return]


def _factors(config: Mapping[str, Any]) -> tuple[Factor, Factor]:
    """Return scale and shift of latents, per channel where the config has means and deviations."""
    scale = float(config.get("scaling_factor") or 1.0)
    mean, std = config.get("latents_mean"), config.get("latents_std")
    if mean is None or std is None:
        return scale, float(config.get("shift_factor") or 0.0)
    return [scale / float(deviation) for deviation in std], [float(m) for m in mean]


def _per_channel(factor: Factor, z: Tensor) -> Tensor:
    return torch.tensor(factor, device=z.device).reshape(-1, 1, 1)  # (1 or C, 1, 1)


def _described(one: Any) -> str:
    return f"pictures of {one.shape[1]} pixels" if isinstance(one, np.ndarray) else "captions"
