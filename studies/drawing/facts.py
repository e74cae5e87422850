"""What a drawing says in words: facts of the network, of a stage, of the middle.

>>> from search_space.presets import named_spec
>>> stage_words(named_spec("F/mqa"), 2)
['32² · 896 channels', '14 heads, 1 KV · FFN ×3', 'separable ×2 convs']
>>> mid_words(named_spec("F/mqa"))
'mid: res, 4× SA CA, res'
"""

from search_space.network import Network
from search_space.spec import Context, UNetSpec
from studies.drawing.marks import attention_words, conv_words


def network_facts(network: Network) -> list[str]:
    """Return what all stages share, a short phrase each; the inputs' shapes for other kinds."""
    if not isinstance(network, UNetSpec):
        inputs = network.plan().inputs
        return [network.kind, *(f"{name} {_shape(given.shape)}" for name, given in inputs)]
    spec, conditions = network, network.conditions
    size = f"{spec.latent_size}²"
    facts = [
        f"latent {spec.in_channels} × {size}",
        context_words(spec.context),
        f"time embedding {spec.time_width}",
        f"{spec.sampler} samplers" if spec.sampler != "none" else "samplers without a conv",
        f"QK norm {spec.qk_norm}",
        "RoPE" if spec.rope else "no RoPE",
        f"{spec.activation}, {spec.norm_groups} norm groups",
    ]
    facts += [f"pooled text {conditions.pooled_width}"] * bool(conditions.pooled_width)
    facts += [f"{conditions.size_ids} size numbers"] * bool(conditions.size_ids)
    facts += [f"{conditions.classes} classes"] * bool(conditions.classes)
    return facts


def context_words(context: Context) -> str:
    """Write the text tokens that cross-attention reads."""
    if context.projection == "none":
        return f"text {context.tokens} × {context.width}"
    return f"text {context.tokens} × {context.input_width}, projected to {context.width}"


def stage_words(network: Network, index: int) -> list[str]:
    """Return lines about one stage: size, attention where it has any, convolutions."""
    if not isinstance(network, UNetSpec):
        return []
    stage = network.stages[index]
    lines = [f"{network.latent_size >> index}² · {stage.channels} channels"]
    if network.has_transformer(index):
        lines.append(f"{stage.heads} heads, {stage.kv_heads} KV · FFN ×{stage.ff_ratio:g}")
    return [*lines, f"{conv_words(stage.conv)} convs"]


def mid_words(network: Network) -> str:
    """Return a line about the middle; empty where there is none."""
    if not isinstance(network, UNetSpec) or network.mid is None:
        return ""
    mid = network.mid
    stack = [f"{mid.depth}× {attention_words(mid)}"] * bool(mid.depth)
    parts = ["res"] * bool(mid.resblocks) + stack + ["res"] * (mid.resblocks - 1)
    return f"mid: {', '.join(parts)}" if parts else "mid: empty"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "one number"
