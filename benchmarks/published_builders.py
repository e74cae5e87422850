"""Published networks that no library has, written from their papers; weights are left at random.

Only shapes and operators matter here. `published_features.py` compares parameters and MACs of each
with the published ones.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

CLIP_TOKENS, CLIP_VOCABULARY = 77, 49408


class SelfAttention(nn.Module):
    """Multi-head self-attention over tokens, (batch, tokens, width)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        split = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)  # each (batch, heads, tokens, head width)
        scores = (q @ k.transpose(-2, -1)) * (width // self.heads) ** -0.5
        mixed = scores.softmax(dim=-1) @ v
        return self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))


class TransformerLayer(nn.Module):
    """Pre-norm attention and a feed-forward of four times the width, as CLIP's."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(width), SelfAttention(width, heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed_forward(x)


class RepMixerText(nn.Module):
    """MobileCLIP-S0's text block, reparameterised: a depthwise 1×11 and a convolutional FFN."""

    def __init__(self, width: int):
        super().__init__()
        self.mixer = nn.Conv2d(width, width, (1, 11), padding=(0, 5), groups=width)
        self.depthwise = nn.Conv2d(width, width, (1, 11), padding=(0, 5), groups=width)
        self.expand, self.shrink = nn.Conv2d(width, 4 * width, 1), nn.Conv2d(4 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = x.transpose(1, 2).unsqueeze(2)  # (batch, width, 1, tokens)
        y = self.mixer(y)
        y = y + self.shrink(torch.nn.functional.gelu(self.expand(self.depthwise(y))))
        return y.squeeze(2).transpose(1, 2)


class TextEncoder(nn.Module):
    """CLIP's text tower: embedding, layers, norm, projection of the last token."""

    def __init__(self, width: int, heads: int, layers: list[nn.Module], projection: int):
        super().__init__()
        self.embedding = nn.Embedding(CLIP_VOCABULARY, width)
        self.position = nn.Parameter(torch.zeros(CLIP_TOKENS, width))
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, projection, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.layers(self.embedding(x) + self.position)
        return self.projection(self.norm(tokens)[:, -1])


def clip_text(width: int, layers: int = 12) -> nn.Module:
    """CLIP's text encoder: 512 wide in B models (63 M), 768 wide in L ones (124 M)."""
    heads = width // 64
    return TextEncoder(width, heads, [TransformerLayer(width, heads) for _ in range(layers)], width)


def mobileclip_s0_text() -> nn.Module:
    """Four transformer layers between two convolutional blocks, 512 wide (42 M)."""
    middle = [TransformerLayer(512, 8) for _ in range(4)]
    return TextEncoder(512, 8, [RepMixerText(512), *middle, RepMixerText(512)], 512)


class LocalAggregation(nn.Module):
    """EdgeViT's local block: position, 1×1 – depthwise 5×5 – 1×1, convolutional FFN."""

    def __init__(self, width: int):
        super().__init__()
        self.position = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.mix = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.Conv2d(width, width, 1),
            nn.Conv2d(width, width, 5, padding=2, groups=width),
            nn.Conv2d(width, width, 1),
        )
        self.feed_forward = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.Conv2d(width, 4 * width, 1),
            nn.GELU(),
            nn.Conv2d(4 * width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.position(x)
        x = x + self.mix(x)
        return x + self.feed_forward(x)


class SparseAttention(nn.Module):
    """EdgeViT's global block: attention over every ``stride``-th token, spread back locally."""

    def __init__(self, width: int, heads: int, stride: int):
        super().__init__()
        self.position = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm, self.heads, self.stride = nn.LayerNorm(width), heads, stride
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        if stride > 1:
            self.sample = nn.AvgPool2d(1, stride)
            self.spread = nn.ConvTranspose2d(width, width, stride, stride, groups=width)
            self.spread_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.position(x)
        height = x.shape[2]
        tokens = x.flatten(2).transpose(1, 2)
        tokens = tokens + self._attend(self.norm(tokens), height)
        tokens = tokens + self.feed_forward(tokens)
        return tokens.transpose(1, 2).reshape(x.shape)

    def _attend(self, tokens: Tensor, height: int) -> Tensor:
        batch, _, width = tokens.shape
        if self.stride > 1:
            tokens = self.sample(tokens.transpose(1, 2).reshape(batch, width, height, height))
            tokens = tokens.flatten(2).transpose(1, 2)
        split = self.qkv(tokens).reshape(batch, -1, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        scores = ((q @ k.transpose(-2, -1)) * (width // self.heads) ** -0.5).softmax(dim=-1)
        mixed = (scores @ v).transpose(1, 2).reshape(batch, -1, width)
        if self.stride > 1:
            side = height // self.stride
            maps = self.spread(mixed.permute(0, 2, 1).reshape(batch, width, side, side))
            mixed = self.spread_norm(maps.flatten(2).permute(0, 2, 1))
        return self.out(mixed)


class PatchEmbedding(nn.Module):
    """A strided convolution and a norm over channels."""

    def __init__(self, inputs: int, width: int, patch: int):
        super().__init__()
        self.proj, self.norm = nn.Conv2d(inputs, width, patch, patch), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.proj(x)
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        return (
            tokens.reshape(x.shape[0], x.shape[2], x.shape[3], -1).permute(0, 3, 1, 2).contiguous()
        )


def edgevit(widths: list[int], depths: list[int], head_width: int) -> nn.Module:
    """EdgeViT (arXiv 2205.03436): XXS is 36–288 wide, XS 48–384; 1,000 classes."""
    layers: list[nn.Module] = []
    inputs = 3
    for width, depth, stride, patch in zip(widths, depths, (4, 2, 2, 1), (4, 2, 2, 2), strict=True):
        layers.append(PatchEmbedding(inputs, width, patch))
        for _ in range(depth):
            if stride > 1:
                layers.append(LocalAggregation(width))
            layers.append(SparseAttention(width, width // head_width, stride))
        inputs = width
    head = [nn.BatchNorm2d(inputs), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000)]
    return nn.Sequential(*layers, *head)


def depth_anything_small() -> nn.Module:
    """Depth Anything small: a DINOv2 ViT-S and a DPT head of 64 channels."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    backbone = Dinov2Config(
        hidden_size=384,
        num_attention_heads=6,
        image_size=518,
        patch_size=14,
        out_indices=[9, 10, 11, 12],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=384,
        neck_hidden_sizes=[48, 96, 192, 384],
        fusion_hidden_size=64,
    )
    config._attn_implementation = "eager"
    return DepthAnythingForDepthEstimation(config)


class VAEDecoder(nn.Module):
    """Stable Diffusion's decoder from a latent: diffusers' `AutoencoderKL` with its defaults."""

    def __init__(self) -> None:
        super().__init__()
        from diffusers import AutoencoderKL

        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
        )
        self.first, self.decoder = vae.post_quant_conv, vae.decoder

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.first(x))


Inputs = Callable[[], Tensor]


def _image(height: int, width: int | None = None) -> Inputs:
    return lambda: torch.zeros(1, 3, height, width or height, device="meta")


def _tokens() -> Tensor:
    return torch.zeros(1, CLIP_TOKENS, dtype=torch.long, device="meta")


# Model and resolution as published: key of the network, how to build it, its input.
NETWORKS: dict[tuple[str, str], tuple[str, Callable[[], Any], Inputs]] = {
    ("EdgeViT-XXS", "224"): (
        "plain:edgevit_xxs@224",
        lambda: edgevit([36, 72, 144, 288], [1, 1, 3, 2], 36),
        _image(224),
    ),
    ("EdgeViT-XS", "224"): (
        "plain:edgevit_xs@224",
        lambda: edgevit([48, 96, 240, 384], [1, 1, 3, 1], 48),
        _image(224),
    ),
    ("MobileCLIP-S0 text encoder", "77 tokens"): (
        "plain:mobileclip_s0_text@77",
        mobileclip_s0_text,
        _tokens,
    ),
    ("CLIP text encoder 63.4M (MobileCLIP-S1/S2/B)", "77 tokens"): (
        "plain:clip_text_512@77",
        lambda: clip_text(512),
        _tokens,
    ),
    ("CLIP text encoder 123.6M (MobileCLIP2-S3/S4/L14)", "77 tokens"): (
        "plain:clip_text_768@77",
        lambda: clip_text(768),
        _tokens,
    ),
    ("SD 1.5 CLIP-L text encoder", "77 tokens"): (
        "plain:clip_text_768@77",
        lambda: clip_text(768),
        _tokens,
    ),
    ("Depth Anything small (DINOv2 ViT-S + DPT)", "518x392"): (
        "transformers:depth_anything_small@518x392",
        depth_anything_small,
        _image(518, 392),
    ),
    ("SD 1.5 VAE decoder", "64x64 latent to 512 px"): (
        "diffusers:vae_decoder@64",
        VAEDecoder,
        lambda: torch.zeros(1, 4, 64, 64, device="meta"),
    ),
}
