"""VAEs and text encoders of a few thousand weights, written to disk: nothing comes from afar."""

from pathlib import Path

import torch

WORDS = ("picture", "number", "0", "1", "2", "a", "red", "cat")


def save_vae(folder: Path, seed: int = 0, **changes) -> Path:
    """Write an AutoencoderKL with 4 latent channels that halves pictures once."""
    from diffusers import AutoencoderKL

    torch.manual_seed(seed)
    config = dict(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.5,
        shift_factor=0.25,
    )
    AutoencoderKL(**(config | changes)).save_pretrained(folder)
    return folder


def save_tiny_vae(folder: Path) -> Path:
    """Write an AutoencoderTiny, whose latents come without a distribution."""
    from diffusers import AutoencoderTiny

    torch.manual_seed(0)
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
        latent_channels=4,
    ).save_pretrained(folder)
    return folder


def save_dc_vae(folder: Path) -> Path:
    """Write an AutoencoderDC, the deep-compression autoencoder of SANA."""
    from diffusers import AutoencoderDC

    torch.manual_seed(0)
    AutoencoderDC(
        latent_channels=8,
        attention_head_dim=8,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 16),
        decoder_block_out_channels=(8, 16),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        scaling_factor=0.41407,
    ).save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path, kind: str) -> Path:
    """Write a tokenizer that knows :data:`WORDS`, with the special tokens of ``kind``."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = {"clip": ("<s>", "</s>"), "t5": ("<pad>", "</s>"), "gemma2": ("<pad>", "<eos>")}[kind]
    vocabulary = {word: i for i, word in enumerate((*special, "<unk>", *WORDS))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=words,
        unk_token="<unk>",
        eos_token=special[1],
        pad_token=None if kind == "clip" else special[0],
    ).save_pretrained(folder)
    return folder


def save_text_encoder(folder: Path, kind: str = "clip", tokenizer: bool = True) -> Path:
    """Write a text encoder 8 wide, and unless told otherwise its tokenizer beside it."""
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        Gemma2Config,
        Gemma2Model,
        T5Config,
        T5EncoderModel,
    )

    torch.manual_seed(0)
    ids = dict(vocab_size=len(WORDS) + 3, eos_token_id=1, pad_token_id=0, bos_token_id=0)
    layers = dict(num_hidden_layers=2, num_attention_heads=2, hidden_size=8, intermediate_size=16)
    if kind == "clip":
        model = CLIPTextModel(CLIPTextConfig(**ids, **layers, max_position_embeddings=12))
    elif kind == "t5":
        model = T5EncoderModel(
            T5Config(**ids, d_model=8, d_kv=4, d_ff=16, num_layers=2, num_heads=2)
        )
    else:
        model = Gemma2Model(Gemma2Config(**ids, **layers, num_key_value_heads=1, head_dim=4))
    model.save_pretrained(folder)
    if tokenizer:
        save_tokenizer(folder, kind)
    return folder
