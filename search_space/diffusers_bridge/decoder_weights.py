"""Weights of a decoder under Walkbench's parameter names and under those of diffusers, both ways.

As in :mod:`search_space.diffusers_bridge.weights`, names follow from the plan. The weights of a
whole autoencoder may be given: those of its encoder are left aside.

>>> from search_space.decoder.presets import named_decoder
>>> names = decoder_parameter_names(named_decoder("sd-decoder"))
>>> names["up3.res0.conv1.weight"], names["mid.attention0.out.bias"]
('decoder.up_blocks.0.resnets.0.conv1.weight', 'decoder.mid_block.attentions.0.to_out.0.bias')
>>> decoder_parameter_names(named_decoder("taesd-decoder"))["up3.upsample.conv.weight"]
'decoder.layers.6.weight'
"""

import re
from collections.abc import Mapping

from torch import Tensor

from search_space.decoder.spec import DecoderSpec
from search_space.diffusers_bridge.decoder_config import config_from_decoder
from search_space.diffusers_bridge.weights import check_names, inner_names, rename
from search_space.plan import plan

_RESBLOCK = ((r"^shortcut\.", "conv_shortcut."),)
_ATTENTION = (
    (r"^norm\.", "group_norm."),
    (r"^out\.", "to_out.0."),
    (r"^([qkv])\.", r"to_\1."),
)
_OLD_ATTENTION = (  # names before diffusers 0.15, which published checkpoints still have
    (r"\.to_q\.", ".query."),
    (r"\.to_k\.", ".key."),
    (r"\.to_v\.", ".value."),
    (r"\.to_out\.0\.", ".proj_attn."),
)
_ENCODER = ("encoder.", "quant_conv.")
_TINY_CONVS = {"conv1": "conv.0", "conv2": "conv.2", "conv3": "conv.4", "shortcut": "skip"}


def decoder_parameter_names(spec: DecoderSpec) -> dict[str, str]:
    """Return Walkbench name → diffusers name for every parameter, in the order of the plan.

    Raises :class:`WalkbenchError` when no stock class has this decoder.
    """
    config_from_decoder(spec)
    if spec.form == "tiny":
        return _tiny_names(spec)
    last, names = len(spec.stages) - 1, {}
    for path, step in plan(spec).steps():
        for inner in inner_names(step.block):
            names[f"{path}.{inner}"] = _theirs(path, inner, last)
    return names


def decoder_state_to_walkbench(spec: DecoderSpec, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the decoder's part of an autoencoder's weights under Walkbench's names.

    Takes the attention names and 1×1 convolutions of old checkpoints. Raises
    :class:`WalkbenchError` naming parameters that are missing or unexpected.
    """
    names = decoder_parameter_names(spec)
    given = {k: v for k, v in state.items() if not k.startswith(_ENCODER)}
    for theirs in names.values():
        old = rename(theirs, _OLD_ATTENTION)
        if theirs not in given and old in given:
            given[theirs] = given.pop(old)
    check_names(names.values(), given, "diffusers")
    out = {ours: given[theirs] for ours, theirs in names.items()}
    return {
        ours: weight[:, :, 0, 0] if ".attention" in ours and weight.ndim == 4 else weight
        for ours, weight in out.items()
    }


def decoder_state_to_diffusers(spec: DecoderSpec, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a decoder under the names of the stock class that has it.

    Raises :class:`WalkbenchError` naming parameters that are missing or unexpected.
    """
    names = decoder_parameter_names(spec)
    check_names(names, state, "Walkbench")
    return {theirs: state[ours] for ours, theirs in names.items()}


def _theirs(path: str, inner: str, last: int) -> str:
    segment, step = path.split(".")
    if step == "post_quant":
        return inner.replace("conv.", "post_quant_conv.")
    if segment in ("input", "output"):
        if inner.startswith("norm."):
            return inner.replace("norm.", "decoder.conv_norm_out.")
        return f"decoder.{step}.{inner.removeprefix('conv.')}"
    number = re.sub(r"\D", "", step)
    stage = re.sub(r"\D", "", segment)
    where = "mid_block" if segment == "mid" else f"up_blocks.{last - int(stage)}"
    if step == "upsample":
        return f"decoder.{where}.upsamplers.0.{inner}"
    if step.startswith("attention"):
        return f"decoder.{where}.attentions.{number}.{rename(inner, _ATTENTION)}"
    return f"decoder.{where}.resnets.{number}.{rename(inner, _RESBLOCK)}"


def _tiny_names(spec: DecoderSpec) -> dict[str, str]:
    """DecoderTiny is one list of layers: conv, activation, then blocks and upsampling."""
    names, at = {}, 0
    for path, step in plan(spec).steps():
        kind = step.block.kind
        at += kind == "upsample_conv"  # the layer that doubles stands before its conv
        for inner in inner_names(step.block):
            part, leaf = inner.rsplit(".", 1)
            where = f".{_TINY_CONVS[part]}" if kind == "tiny_block" else ""
            names[f"{path}.{inner}"] = f"decoder.layers.{at}{where}.{leaf}"
        at += 2 if kind == "tiny_in" else 1  # the first conv has an activation behind it
    return names
