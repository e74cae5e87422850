"""Pictures of shapes on disk in GenEval's layout, a small CLIP, and a small bundle."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from proxies.data.dataset import examples, shapes

WORDS = ("a", "red", "blue", "circle", "square", "triangle", "cross")


def geneval_folder(folder: Path, count: int, size: int = 24, spoil=lambda i, image: image) -> Path:
    """Write real pictures of the first validation prompts, each spoiled by ``spoil``."""
    asked = examples("validation", count, size)
    for i, image in enumerate(shapes("validation", count, size).images):
        samples = folder / f"{i:05}" / "samples"
        samples.mkdir(parents=True)
        (samples.parent / "metadata.jsonl").write_text(json.dumps(asked[i].prompt.to_dict()))
        Image.fromarray(np.asarray(spoil(i, image), np.uint8)).save(samples / "00000.png")
        Image.fromarray(image).save(samples.parent / "grid.png")
    return folder


def save_tokenizer(folder: Path, length: int) -> None:
    """Write a tokenizer of :data:`WORDS` that reads ``length`` tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(("<s>", "</s>", "<unk>", *WORDS))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=words,
        unk_token="<unk>",
        eos_token="</s>",
        pad_token="</s>",
        model_max_length=length,
    ).save_pretrained(folder)


def save_clip(folder: Path) -> Path:
    """Write a CLIP model of a few thousand random weights."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    layers = dict(num_hidden_layers=1, num_attention_heads=2, hidden_size=8, intermediate_size=16)
    ids = dict(vocab_size=len(WORDS) + 3, eos_token_id=1, pad_token_id=1, bos_token_id=0)
    config = CLIPConfig(
        text_config={**layers, **ids, "max_position_embeddings": 10},
        vision_config={**layers, "image_size": 16, "patch_size": 8},
        projection_dim=6,
    )
    CLIPModel(config).save_pretrained(folder)
    save_tokenizer(folder, 10)
    return folder


def save_bundle(folder: Path, unet=None) -> Path:
    """Write a pipeline of a few thousand random weights that draws pictures of 32 pixels."""
    from diffusers import (
        AutoencoderKL,
        DPMSolverMultistepScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )
    from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
    )
    text = CLIPTextConfig(
        vocab_size=len(WORDS) + 3,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=12,
        eos_token_id=1,
        bos_token_id=0,
        pad_token_id=1,
    )
    unet = unet or UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8, 8),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=8,
        layers_per_block=1,
    )
    scheduler = DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    save_tokenizer(folder / "words", 12)
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=AutoTokenizer.from_pretrained(folder / "words"),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder
