"""`Words`: captions as a trained table of words, saved as a tokenizer and a stock text encoder.

Where the data has no embeddings of a text encoder, the network trains one of its own: a vector per
word plus one per place, normalised. That is CLIP's text model with no layers, so that is how it is
saved: stock pipelines open it without any code of ours.

>>> book = vocabulary(["A red circle.", "a blue circle"])
>>> book
('<pad>', '<unk>', 'a', 'circle', 'blue', 'red')
>>> encode("a GREEN circle", book, tokens=5)
[2, 1, 3, 0, 0]
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from proxies.data.entries import words
from search_space.errors import WalkbenchError

PAD, UNKNOWN = "<pad>", "<unk>"  # numbers 0 and 1
MOST = 16384  # words that are told apart: the most frequent ones
EPS = 1e-5  # of the norm
CLIP_NAMES = {  # a tensor of CLIP's text model: the parameter of WordTable that it is
    "text_model.embeddings.token_embedding.weight": "words.weight",
    "text_model.embeddings.position_embedding.weight": "places.weight",
    "text_model.final_layer_norm.weight": "norm.weight",
    "text_model.final_layer_norm.bias": "norm.bias",
}


def vocabulary(captions: Iterable[str], known: tuple[str, ...] = (PAD, UNKNOWN)) -> tuple[str, ...]:
    """Return ``known`` and the other words of ``captions``, the most frequent first."""
    counted = Counter(word for caption in captions for word in words(caption))
    ranked = sorted(counted.keys() - set(known), key=lambda word: (-counted[word], word))
    return (*known, *ranked[: MOST - len(known)])


def encode(caption: str, book: tuple[str, ...], tokens: int) -> list[int]:
    """Return ``tokens`` word numbers; longer captions are cut, shorter ones padded."""
    return encode_all([caption], book, tokens)[0]


def encode_all(captions: Iterable[str], book: tuple[str, ...], tokens: int) -> list[list[int]]:
    """Return the word numbers of every caption."""
    numbers = {word: i for i, word in enumerate(book)}
    read = ([numbers.get(word, 1) for word in words(caption)[:tokens]] for caption in captions)
    return [found + [0] * (tokens - len(found)) for found in read]


class WordTable(nn.Module):
    """A text encoder of two tables and a norm: word numbers (B, T) to embeddings (B, T, width)."""

    def __init__(self, count: int, tokens: int, width: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(count, width), nn.Embedding(tokens, width)
        self.norm = nn.LayerNorm(width, eps=EPS)

    def forward(self, text: Tensor) -> Tensor:
        """Return the embeddings."""
        out: Tensor = self.norm(self.words(text) + self.places.weight)
        return out


@dataclass(frozen=True, eq=False)
class TrainedWords:
    """The text encoder of an earlier training: its words and the state of its table."""

    book: tuple[str, ...]
    table: dict[str, Tensor]

    def put_into(self, table: WordTable) -> None:
        """Copy the state into a table of the same words and maybe further ones."""
        with torch.no_grad():
            for name, weights in table.named_parameters():
                weights[: len(self.table[name])] = self.table[name]


def read_words(bundle: Path) -> TrainedWords | None:
    """Return the words that :func:`save_encoder` wrote into ``bundle``, None for other encoders.

    Raises :class:`WalkbenchError` where tokenizer and encoder do not belong together.
    """
    try:
        config = json.loads((bundle / "text_encoder" / "config.json").read_text(encoding="utf-8"))
        model = json.loads((bundle / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    vocab = model.get("model", {}).get("vocab")
    if config.get("num_hidden_layers") != 0 or model.get("model", {}).get("type") != "WordLevel":
        return None
    book = tuple(sorted(vocab, key=lambda word: int(vocab[word])))
    stored = load_file(bundle / "text_encoder" / "model.safetensors")
    table = {ours: stored[theirs] for theirs, ours in CLIP_NAMES.items()}
    if len(table["words.weight"]) != len(book):
        raise WalkbenchError(
            f"the text encoder in {str(bundle)!r} has {len(table['words.weight'])} words and its "
            f"tokenizer {len(book)}; copy both from one training"
        )
    return TrainedWords(book, table)


def save_tokenizer(folder: Path, book: tuple[str, ...], tokens: int) -> tuple[str, str]:
    """Write the files of a tokenizer that reads captions as :func:`encode`; return its entry."""
    folder.mkdir(parents=True)
    special = [
        {
            "id": i, "content": book[i], "special": True, "single_word": False,
            "lstrip": False, "rstrip": False, "normalized": False,
        }
        for i in (0, 1)
    ]  # fmt: skip
    _json(
        folder / "tokenizer.json",
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": special,
            "normalizer": {"type": "Lowercase"},
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"Regex": "[^\\p{L}\\p{N}]+"},
                "behavior": "Removed",
                "invert": False,
            },
            "post_processor": None,
            "decoder": None,
            "model": {
                "type": "WordLevel",
                "vocab": {word: i for i, word in enumerate(book)},
                "unk_token": UNKNOWN,
            },
        },
    )
    name = "PreTrainedTokenizerFast"
    _json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": name,
            "model_max_length": tokens,
            "pad_token": PAD,
            "unk_token": UNKNOWN,
            "padding_side": "right",
        },
    )
    return "transformers", name


def save_encoder(folder: Path, table: dict[str, Tensor]) -> tuple[str, str]:
    """Write the state of a :class:`WordTable` as CLIP's text model of no layers."""
    folder.mkdir(parents=True)
    (count, width), tokens = table["words.weight"].shape, len(table["places.weight"])
    name = "CLIPTextModel"
    config: dict[str, Any] = {
        "architectures": [name],
        "model_type": "clip_text_model",
        "hidden_size": width,
        "intermediate_size": width,
        "projection_dim": width,
        "num_hidden_layers": 0,
        "num_attention_heads": 1,
        "max_position_embeddings": tokens,
        "vocab_size": count,
        "layer_norm_eps": EPS,
        "hidden_act": "quick_gelu",
        "bos_token_id": 1,
        "eos_token_id": 0,
        "pad_token_id": 0,
        "dtype": "float32",
    }
    _json(folder / "config.json", config)
    tensors = {
        theirs: table[ours].detach().float().contiguous() for theirs, ours in CLIP_NAMES.items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return "transformers", name


def _json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
