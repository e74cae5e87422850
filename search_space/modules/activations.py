"""Activations by the names that specs use."""

from collections.abc import Callable

from torch import nn

from search_space.blocks.norm import Activation

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
}
