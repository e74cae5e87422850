"""`own_config(spec)`: the config with which `WalkbenchUNet2DConditionModel` builds any design.

>>> from search_space.presets import named_spec
>>> config = own_config(named_spec("snapgen-t2i"))
>>> config["steps"][1]["name"], config["steps"][1]["block"]["kind"]
('input.conv_in', 'conv_in')
>>> UNetSpec.from_dict(config["spec"]).digest()
'836c0534af46'
"""

import dataclasses
import json
from functools import cached_property
from typing import Any

from search_space.blocks import Block
from search_space.diffusers_bridge.carried import CARRIED, CLASS_NAME, check_carried
from search_space.diffusers_bridge.classes import DIFFUSERS_VERSION
from search_space.diffusers_bridge.to_config import added_fields
from search_space.plan import Step
from search_space.spec import UNetSpec


def own_config(spec: UNetSpec, moments: dict[str, float] | None = None) -> dict[str, Any]:
    """Return the config as JSON types; raises :class:`WalkbenchError` for modules of others.

    ``moments`` is the mean and variance of the data whose best linear guess the weights add to.
    """
    check_carried(spec)
    config = {
        "_class_name": CLASS_NAME,
        "_diffusers_version": DIFFUSERS_VERSION,
        "addition_embed_type": None,
        "addition_time_embed_dim": None,
        "auto_map": {"AutoModel": f"{CARRIED}.{CLASS_NAME}"},
        "block_out_channels": [stage.channels for stage in spec.stages],
        "cross_attention_dim": spec.context.given_width,
        "in_channels": spec.in_channels,
        "moments": moments,
        "num_class_embeds": spec.conditions.classes or None,
        "out_channels": spec.out_channels,
        "projection_class_embeddings_input_dim": None,
        "sample_size": spec.latent_size,
        "spec": spec.to_dict(),
        "steps": [described(path, step) for path, step in spec.plan().steps()],
        "time_cond_proj_dim": None,
        **added_fields(spec),
    }
    plain: dict[str, Any] = json.loads(json.dumps(config, sort_keys=True))
    return plain


def described(path: str, step: Step) -> dict[str, Any]:
    """Return a step as JSON types: its name, its block, and the values it reads and leaves."""
    return {
        "name": path,
        "block": {**_fields(step.block), "arguments": list(step.block.arguments)},
        "reads": list(step.reads),
        "leaves": step.leaves,
        "adds": step.adds,
        "push": step.push,
    }


def _fields(value: Any) -> Any:
    """A block's fields and what it derives from them, nested blocks included."""
    if not dataclasses.is_dataclass(value):
        return value
    names = [field.name for field in dataclasses.fields(value)]
    if issubclass(type(value), Block):
        derived = (property, cached_property)
        names += [name for name, one in vars(type(value)).items() if isinstance(one, derived)]
        names.append("kind")
    return {name: _fields(getattr(value, name)) for name in names}
