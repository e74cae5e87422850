"""An autoencoder that changes nothing, for networks that draw pixels and pipelines that need a VAE.

It is diffusers' `AutoencoderKL` with weights that make it the identity to about one part in 100,000
(a pixel has 255 levels). The first convolution writes x and −x into channels, and ±512 into two
more, which decide the group's norm; the norm's scale undoes it. Resblocks add zero. After the last
activation silu(x) − silu(−x) = x.

>>> config()["latent_channels"]
3
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

COLORS, CHANNELS, LARGE = 3, 8, 512.0
_RESNETS = {
    "encoder": ("down_blocks.0.resnets.0", "mid_block.resnets.0", "mid_block.resnets.1"),
    "decoder": (
        "mid_block.resnets.0",
        "mid_block.resnets.1",
        "up_blocks.0.resnets.0",
        "up_blocks.0.resnets.1",
    ),
}


def config() -> dict[str, Any]:
    """Return the autoencoder's config."""
    return {
        "_class_name": "AutoencoderKL",
        "act_fn": "silu",
        "block_out_channels": [CHANNELS],
        "down_block_types": ["DownEncoderBlock2D"],
        "in_channels": COLORS,
        "latent_channels": COLORS,
        "layers_per_block": 1,
        "mid_block_add_attention": False,
        "norm_num_groups": 1,
        "out_channels": COLORS,
        "scaling_factor": 1.0,
        "up_block_types": ["UpDecoderBlock2D"],
        "use_post_quant_conv": False,
        "use_quant_conv": False,
    }


def weights() -> dict[str, Tensor]:
    """Return its weights by name."""
    out: dict[str, Tensor] = {}
    for side, resnets in _RESNETS.items():
        outputs = 2 * COLORS if side == "encoder" else COLORS  # an encoder has log variances too
        into, out_of = torch.zeros(CHANNELS, COLORS, 3, 3), torch.zeros(outputs, CHANNELS, 3, 3)
        for color in range(COLORS):
            into[color, color, 1, 1], into[COLORS + color, color, 1, 1] = 1.0, -1.0
            out_of[color, color, 1, 1], out_of[color, COLORS + color, 1, 1] = 1.0, -1.0
        bias = torch.zeros(CHANNELS)
        bias[-2], bias[-1] = LARGE, -LARGE
        last = torch.zeros(outputs)
        last[COLORS:] = -30.0  # log variance: no noise
        out |= {f"{side}.conv_in.weight": into, f"{side}.conv_in.bias": bias}
        out |= {f"{side}.conv_out.weight": out_of, f"{side}.conv_out.bias": last}
        scale = torch.full((CHANNELS,), LARGE * (2 / CHANNELS) ** 0.5)
        out |= {f"{side}.conv_norm_out.weight": scale}
        out |= {f"{side}.conv_norm_out.bias": torch.zeros(CHANNELS)}
        for resnet in resnets:
            for n in (1, 2):
                path = f"{side}.{resnet}"
                out[f"{path}.norm{n}.weight"] = torch.ones(CHANNELS)
                out[f"{path}.norm{n}.bias"] = torch.zeros(CHANNELS)
                out[f"{path}.conv{n}.weight"] = torch.zeros(CHANNELS, CHANNELS, 3, 3)
                out[f"{path}.conv{n}.bias"] = torch.zeros(CHANNELS)
    return out


def save(folder: Path) -> tuple[str, str]:
    """Write the autoencoder into ``folder``; return its entry of `model_index.json`."""
    folder.mkdir(parents=True)
    text = json.dumps(config(), indent=2)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    file = folder / "diffusion_pytorch_model.safetensors"
    save_file(weights(), file, metadata={"format": "pt"})
    return "diffusers", "AutoencoderKL"
