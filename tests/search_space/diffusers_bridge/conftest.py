"""Published configs, the same ones shrunk, and both networks with the same random weights."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from search_space.diffusers_bridge import (
    spec_from_config,
    state_dict_to_diffusers,
    state_dict_to_walkbench,
)
from search_space.diffusers_bridge.stock import stock_inputs, stock_unet
from search_space.modules.network import example_inputs
from search_space.spec import UNetSpec
from search_space.unet import UNet

PUBLISHED = Path(__file__).parent / "published"
Config = dict[str, Any]


def _shrink(config: Config) -> Config:
    """The same config, narrow and shallow: every field it sets keeps its meaning."""
    n = len(config["block_out_channels"])
    small = {
        **config,
        "block_out_channels": [16, 32, 48, 64][:n],
        "norm_num_groups": 8,
        "cross_attention_dim": 24,
        "sample_size": 16,
    }
    heads = config["attention_head_dim"]
    small["attention_head_dim"] = [2, 4, 6, 4][:n] if isinstance(heads, list) else 4
    for name in ("transformer_layers_per_block", "reverse_transformer_layers_per_block"):
        if config.get(name) is not None:
            small[name] = _halve(config[name])
    if config.get("encoder_hid_dim"):
        small["encoder_hid_dim"] = 20
    if config.get("addition_embed_type"):
        ids = 2 if config["addition_embed_type"] == "time" else 6
        pooled = 0 if config["addition_embed_type"] == "time" else 12
        small["addition_time_embed_dim"] = 8
        small["projection_class_embeddings_input_dim"] = pooled + ids * 8
    return small


def _halve(depths: Any) -> Any:
    return [_halve(d) for d in depths] if isinstance(depths, list) else math.ceil(depths / 2)


@pytest.fixture(scope="session")
def published() -> Callable[[str], Config]:
    return lambda name: json.loads((PUBLISHED / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def shrunk(published: Callable[[str], Config]) -> Callable[[str], Config]:
    return lambda name: _shrink(published(name))


def _randomise(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Every parameter random, norms and biases too, at a scale that keeps the signal alive."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator, dtype=p.dtype)
            if p.ndim > 1:
                p.copy_(noise / math.sqrt(math.prod(p.shape[1:])))
            else:
                p.copy_(0.3 * noise + (1.0 if "norm" in name and "weight" in name else 0.0))


def _gap(config: Config, spec: UNetSpec | None = None) -> float:
    """Largest difference between diffusers' output and ours, over weights carried both ways."""
    spec = spec or spec_from_config(config, tokens=5)
    generator = torch.Generator().manual_seed(0)
    stock, ours = stock_unet(config).double(), UNet(spec).double()
    assert sum(p.numel() for p in stock.parameters()) == sum(p.numel() for p in ours.parameters())
    inputs = {
        name: value.double() if value.is_floating_point() else value
        for name, value in example_inputs(spec, batch=2, generator=generator).items()
    }
    gaps = []
    for direction in ("import", "export"):
        if direction == "import":
            _randomise(stock, generator)
            ours.load_state_dict(state_dict_to_walkbench(spec, stock.state_dict()))
        else:
            _randomise(ours, generator)
            linear = bool(config.get("use_linear_projection", False))
            stock.load_state_dict(
                state_dict_to_diffusers(spec, ours.state_dict(), use_linear_projection=linear)
            )
        with torch.no_grad():
            theirs = stock(**stock_inputs(spec, inputs)).sample
            mine = ours(**inputs)
        assert theirs.std() > 1e-2  # a dead network would agree with anything
        gaps.append((theirs - mine).abs().max().item())
    return max(gaps)


@pytest.fixture(scope="session")
def gap() -> Callable[..., float]:
    return _gap
