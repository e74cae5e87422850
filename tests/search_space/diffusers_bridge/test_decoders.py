"""Decoders of diffusers: the same configs, the same weights, the same pictures."""

from typing import Any

import pytest
import torch

from search_space.decoder import DecoderSpec, all_decoders, named_decoder
from search_space.diffusers_bridge import (
    config_from_decoder,
    decoder_from_config,
    decoder_parameter_names,
    decoder_state_to_diffusers,
    decoder_state_to_walkbench,
    network_from_config,
)
from search_space.diffusers_bridge.stock import stock_autoencoder
from search_space.errors import WalkbenchError
from search_space.network import build_network

# vae/config.json as published
SD15 = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.6.0",
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 512,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
SD3 = SD15 | {
    "latent_channels": 16,
    "sample_size": 1024,
    "scaling_factor": 1.5305,
    "shift_factor": 0.0609,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "force_upcast": True,
    "mid_block_add_attention": True,
}
TAESD = {
    "_class_name": "AutoencoderTiny",
    "act_fn": "relu",
    "decoder_block_out_channels": [64, 64, 64, 64],
    "encoder_block_out_channels": [64, 64, 64, 64],
    "latent_channels": 4,
    "latent_magnitude": 3,
    "latent_shift": 0.5,
    "num_decoder_blocks": [3, 3, 3, 1],
    "num_encoder_blocks": [1, 3, 3, 3],
    "upsample_fn": "nearest",
    "upsampling_scaling_factor": 2,
}
NARROW = SD15 | {
    "block_out_channels": [16, 32, 48],
    "up_block_types": ["AttnUpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "norm_num_groups": 8,
    "act_fn": "mish",
    "layers_per_block": 1,
    "sample_size": 32,
}


@pytest.mark.parametrize(
    ("config", "name"), [(SD15, "sd-decoder"), (SD3, "sd3-decoder"), (TAESD, "taesd-decoder")]
)
def test_a_published_config_is_the_named_decoder(config: dict[str, Any], name: str) -> None:
    assert network_from_config(config) == named_decoder(name)


@pytest.mark.parametrize(
    "config",
    [
        NARROW,
        NARROW | {"mid_block_add_attention": False, "use_post_quant_conv": False},
        TAESD
        | {"decoder_block_out_channels": [24] * 3, "num_decoder_blocks": [2, 1, 2]}
        | {"num_encoder_blocks": [1, 1, 1], "encoder_block_out_channels": [24] * 3}
        | {"act_fn": "gelu"},
        pytest.param(SD15, marks=pytest.mark.slow),
        pytest.param(TAESD, marks=pytest.mark.slow),
    ],
)
def test_weights_pass_both_ways_and_pictures_are_equal_to_1e_5(config: dict[str, Any]) -> None:
    spec = decoder_from_config(config)
    stock, ours = _pair(config, spec)
    latents = torch.randn(2, spec.in_channels, 6, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs, mine = stock.decode(latents.double()).sample, ours(latents.double())
    assert theirs.abs().max() > 0.1
    assert torch.allclose(mine, theirs, atol=1e-5, rtol=0)
    back = decoder_state_to_diffusers(spec, ours.state_dict())
    decoder = {k: v for k, v in stock.state_dict().items() if not k.startswith(_ENCODER)}
    assert back.keys() == decoder.keys()
    assert all(torch.equal(back[name], weight) for name, weight in decoder.items())


_ENCODER = ("encoder.", "quant_conv.")


def _pair(config: dict[str, Any], spec: DecoderSpec) -> tuple[Any, torch.nn.Module]:
    """The stock autoencoder and our decoder with its weights, in float64."""
    stock = stock_autoencoder(config).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in stock.parameters():  # biases and norms too, which start at 0 and 1
            scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.5
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(parameter * (parameter.ndim == 1) + scale * noise)
    ours = build_network(spec).double().eval()
    ours.load_state_dict(decoder_state_to_walkbench(spec, stock.state_dict()))
    return stock, ours


def test_attention_weights_of_old_checkpoints_are_taken() -> None:
    spec = decoder_from_config(NARROW)
    _, ours = _pair(NARROW, spec)
    old = {}
    for name, weight in decoder_state_to_diffusers(spec, ours.state_dict()).items():
        where, _, leaf = name.rpartition("to_")
        renamed = {"q": "query", "k": "key", "v": "value", "out.0": "proj_attn"}
        if where:
            kind, _, part = leaf.rpartition(".")
            weight = weight[:, :, None, None] if part == "weight" else weight
            name = f"{where}{renamed[kind]}.{part}"
        old[name] = weight
    again = decoder_state_to_walkbench(spec, old)
    assert all(torch.equal(again[name], weight) for name, weight in ours.state_dict().items())


@pytest.mark.parametrize("name", ["sdxl-decoder", "sd3-decoder", "taesd-decoder"])
def test_a_stock_decoder_survives_its_config(name: str) -> None:
    spec = named_decoder(name)
    _, config = config_from_decoder(spec)
    assert decoder_from_config(config) == spec
    assert "scaling_factor" in config and config["latent_channels"] == spec.in_channels


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (SD15 | {"sample_size": 500}, r"sample_size is 500 \(allowed: a multiple of 8; or choose"),
        (SD15 | {"up_block_types": ["UpBlock2D"] * 4}, "up_block_types is"),
        (SD15 | {"act_fn": "prelu"}, r'act_fn is "prelu" \(allowed: silu'),
        (SD15 | {"norm_type": "spatial"}, "no such field in AutoencoderKL"),
        (SD15 | {"block_out_channels": []}, "a list of positive integers"),
        (SD15 | {"norm_num_groups": 48}, "this config contradicts itself: norm_groups 48"),
        (TAESD | {"upsampling_scaling_factor": 4}, r"upsampling_scaling_factor is 4 \(allowed: 2"),
        (TAESD | {"decoder_block_out_channels": [64, 64, 32, 32]}, "equal widths"),
        (SD15 | {"_class_name": "AutoencoderDC"}, "AutoencoderKL, AutoencoderTiny can be imported"),
    ],
)
def test_a_config_with_no_decoder_says_why(config: dict[str, Any], message: str) -> None:
    with pytest.raises(WalkbenchError, match=message):
        network_from_config(config)


def test_a_decoder_that_no_class_has_says_every_reason() -> None:
    with pytest.raises(WalkbenchError) as caught:
        decoder_parameter_names(named_decoder("snapgen-decoder"))
    for reason in ("sampler is separable", "stages[0].conv", "reduction is upsampler", "norms"):
        assert reason in str(caught.value)


def test_missing_and_unexpected_weights_are_named() -> None:
    spec = all_decoders()["taesd-decoder"]
    state = build_network(spec).state_dict()
    theirs = decoder_state_to_diffusers(spec, state)
    theirs["decoder.layers.99.weight"] = theirs.pop("decoder.layers.0.weight")
    with pytest.raises(
        WalkbenchError, match=r"missing decoder.layers.0.weight; unexpected decoder.layers.99"
    ):
        decoder_state_to_walkbench(spec, theirs)
