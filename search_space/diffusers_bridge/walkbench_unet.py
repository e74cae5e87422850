# mypy: disable-error-code="assignment, attr-defined, misc, no-untyped-call"
# diffusers declares a model's attributes as None, and a config as a plain dict.
"""`WalkbenchUNet2DConditionModel`: any UNet of Walkbench under diffusers' calling convention.

The config has the plan of the network as data: every block, what it reads and what it leaves. So
the class needs the block modules and no more of Walkbench, and an export carries both in one file
(:mod:`search_space.diffusers_bridge.carried`), which diffusers loads with `trust_remote_code=True`.
Parameters have the names of :class:`search_space.unet.UNet`.

    unet = WalkbenchUNet2DConditionModel.from_config(own_config(spec))
    unet(sample, timestep, encoder_hidden_states).sample
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.outputs import BaseOutput
from torch import Tensor, nn

from search_space.diffusers_bridge.carried import CARRIED, carried_source
from search_space.modules.moments import TIME_SCALE, Moments
from search_space.modules.network import assemble, run_steps
from search_space.modules.resblock import ResBlock

# Methods of diffusers' PeftAdapterMixin; its module imports peft, which takes seconds.
ADAPTER_METHODS = (
    "_fuse_lora_apply",
    "_optionally_disable_offloading",
    "_unfuse_lora_apply",
    "active_adapters",
    "add_adapter",
    "delete_adapters",
    "disable_adapters",
    "disable_lora",
    "enable_adapters",
    "enable_lora",
    "enable_lora_hotswap",
    "fuse_lora",
    "load_lora_adapter",
    "save_lora_adapter",
    "set_adapter",
    "set_adapters",
    "unfuse_lora",
    "unload_lora",
)


def as_attributes(value: Any) -> Any:
    """Return JSON objects as objects with attributes, lists as tuples, the rest as it is."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: as_attributes(one) for name, one in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(as_attributes(one) for one in value)
    return value


@dataclass
class UNetOutput(BaseOutput):
    """What the forward pass returns: ``sample``, (B, out_channels, H, W)."""

    sample: Tensor


class WalkbenchUNet2DConditionModel(ModelMixin, ConfigMixin):
    """A conditional UNet whose config lists its blocks.

    ``steps`` are the blocks in forward order, ``spec`` is the design they follow from. Everything
    else in the config is for pipelines to read. ``moments`` (mean and variance of the data) makes
    the network predict what the best linear guess of the velocity leaves over; the output is the
    velocity either way.
    """

    _supports_gradient_checkpointing = True
    _no_split_modules: ClassVar[list[str]] = ["ResBlock", "TransformerLayer"]
    _repeated_blocks: ClassVar[list[str]] = ["TransformerLayer"]
    _skip_layerwise_casting_patterns: ClassVar[list[str]] = ["norm", "input.time", "input.added"]
    _hf_peft_config_loaded = False
    _prepare_lora_hotswap_kwargs: Any = None
    gradient_checkpointing = False
    _gradient_checkpointing_func: Any = None

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        steps: list[dict[str, Any]],
        spec: dict[str, Any],
        sample_size: int,
        in_channels: int = 4,
        out_channels: int = 4,
        cross_attention_dim: int = 768,
        block_out_channels: list[int] | None = None,
        addition_embed_type: str | None = None,
        addition_time_embed_dim: int | None = None,
        projection_class_embeddings_input_dim: int | None = None,
        num_class_embeds: int | None = None,
        time_cond_proj_dim: int | None = None,
        moments: dict[str, float] | None = None,
        auto_map: dict[str, str] | None = None,
    ):
        super().__init__()
        self._steps = [(step["name"], as_attributes(step)) for step in steps]
        self._moments = None if moments is None else Moments(**moments)
        assemble(self, self._steps)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        class_labels: Tensor | None = None,
        timestep_cond: Tensor | None = None,
        attention_mask: Tensor | None = None,
        cross_attention_kwargs: dict[str, Any] | None = None,
        added_cond_kwargs: dict[str, Tensor] | None = None,
        encoder_attention_mask: Tensor | None = None,
        return_dict: bool = True,
    ) -> Any:
        """Return the prediction for ``sample``, (B, in_channels, H, W), in a tuple or an output.

        timestep: a number, a scalar tensor or (B,), 0 … 1000; encoder_hidden_states (B, T, width);
        added_cond_kwargs ``text_embeds`` (B, pooled) and ``time_ids`` (B, ids) and class_labels
        (B,) where the design has them. Raises ``ValueError`` for a condition that is missing or
        that the design does not have.
        """
        unsupported = {
            "timestep_cond": timestep_cond,
            "attention_mask": attention_mask,
            "encoder_attention_mask": encoder_attention_mask,
        }
        for name, value in unsupported.items():
            if value is not None:
                raise ValueError(f"{name} was given, but this network has no use for it")
        factor = 2 ** (len(self.config.block_out_channels) - 1)
        if sample.shape[-1] % factor or sample.shape[-2] % factor:
            raise ValueError(
                f"sample is {sample.shape[-2]}×{sample.shape[-1]}; multiples of {factor} are needed"
            )
        t = torch.as_tensor(timestep, device=sample.device).reshape(-1).expand(sample.shape[0])
        given = self._conditions(class_labels, added_cond_kwargs or {})
        given |= {"latents": sample, "timesteps": t, "context": encoder_hidden_states}
        with _lora_scale(self, cross_attention_kwargs):
            out = self._velocity(given)
        return UNetOutput(sample=out) if return_dict else (out,)

    def _velocity(self, given: dict[str, Tensor]) -> Tensor:
        if self._moments is None:
            return run_steps(self, self._steps, given, self._call)
        x_t, t = given["latents"], given["timesteps"].to(torch.float32) / TIME_SCALE
        wide = x_t.to(torch.float32)
        given["latents"] = self._moments.normalised(wide, t).to(x_t.dtype)
        residual = run_steps(self, self._steps, given, self._call)
        guess, std = self._moments.guess(wide, t), self._moments.residual_std(wide, t)
        return (guess + std * residual).to(x_t.dtype)

    def _call(self, module: nn.Module, given: dict[str, Tensor]) -> Tensor:
        recompute = self.gradient_checkpointing and torch.is_grad_enabled()
        if recompute and isinstance(module, ResBlock):  # stacks recompute each layer themselves
            rest = {name: value for name, value in given.items() if name != "x"}
            out: Tensor = self._gradient_checkpointing_func(partial(module, **rest), given["x"])
            return out
        out = module(**given)
        return out

    def _conditions(
        self, class_labels: Tensor | None, added: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return the conditions under their names in the steps."""
        conditions = self.config.spec["conditions"]
        named = (
            ("pooled", "text_embeds", added.get("text_embeds"), "pooled_width"),
            ("size_ids", "time_ids", added.get("time_ids"), "size_ids"),
            ("classes", "class_labels", class_labels, "classes"),
        )
        found = {}
        for name, argument, value, count in named:
            if conditions[count] and value is None:
                raise ValueError(f"{argument} is missing; this network needs it")
            if not conditions[count] and value is not None:
                raise ValueError(f"{argument} was given, but this network has no such condition")
            if value is not None:
                found[name] = value
        return found

    @property
    def add_embedding(self) -> Any:
        """The added embedding under the names by which the XL pipeline asks for its width."""
        mlp = self.get_submodule("input.added.mlp")
        return SimpleNamespace(linear_1=mlp.linear1, linear_2=mlp.linear2)

    def save_pretrained(self, save_directory: Any, *args: Any, **options: Any) -> None:
        """Save as diffusers does, and put the file of this class beside the weights."""
        super().save_pretrained(save_directory, *args, **options)
        source = carried_source()
        (Path(save_directory) / f"{CARRIED}.py").write_text(source, encoding="utf-8")


def _adapter_method(name: str) -> Any:
    def method(self: Any, *args: Any, **options: Any) -> Any:
        from diffusers.loaders.peft import PeftAdapterMixin

        return vars(PeftAdapterMixin)[name].__get__(self, type(self))(*args, **options)

    method.__name__, method.__doc__ = name, f"diffusers' `PeftAdapterMixin.{name}`; needs peft."
    return method


for _name in ADAPTER_METHODS:
    setattr(WalkbenchUNet2DConditionModel, _name, _adapter_method(_name))


@contextmanager
def _lora_scale(unet: Any, given: dict[str, Any] | None) -> Iterator[None]:
    """Scale LoRA layers by ``given["scale"]`` while the network runs."""
    rest = dict(given or {})
    scale = rest.pop("scale", None)
    if rest:
        raise ValueError(f"cross_attention_kwargs has {min(rest)!r}; only 'scale' has a use")
    if scale is None:
        yield
        return
    from diffusers.utils.peft_utils import scale_lora_layers, unscale_lora_layers

    scale_lora_layers(unet, scale)
    try:
        yield
    finally:
        unscale_lora_layers(unet, scale)


# Pipelines write the module of a component into model_index.json and look for a file of that name
# in the component's folder: a saved pipeline then loads again.
WalkbenchUNet2DConditionModel.__module__ = CARRIED
sys.modules.setdefault(CARRIED, sys.modules[__name__])
