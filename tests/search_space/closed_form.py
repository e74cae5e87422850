"""A second opinion on costs: parameters and MACs of every block kind, by formula, without torch.

Written from what the blocks are, not from how they are built or traced, so that the two agree only
when both are right. One multiply-accumulate is one; norms, activations and additions are none.
"""

from search_space import blocks as b
from search_space.plan import plan
from search_space.spec import Conv, UNetSpec

Count = tuple[int, int]  # params, MACs


def count(block: b.Block) -> Count:
    """Parameters and MACs of ``block`` at batch 1."""
    match block:
        case b.ConvIn(i, o, size):
            return 9 * i * o + o, 9 * i * o * size**2
        case b.ConvOut(i, o, size):
            return 2 * i + 9 * i * o + o, 9 * i * o * size**2
        case b.TimeEmbed(given, width):
            return _embedding(given, width)
        case b.AddedEmbed():
            given = block.pooled_width + block.size_ids * block.size_width
            return _embedding(given, block.width)
        case b.ClassEmbed(classes, width):
            return classes * width, 0
        case b.ContextProj(given, width, tokens, rms):
            return given * width + width + rms * width, tokens * given * width
        case b.Fuse(i, skip, o, size):
            return (i + skip) * o + o, (i + skip) * o * size**2
        case b.Resample():
            return _resample(block)
        case b.ResBlock():
            return _resblock(block)
        case b.TransformerProjection(channels, inner, size):
            params = 2 * channels + 2 * channels * inner + inner + channels
            return params, 2 * channels * inner * size**2
        case b.TransformerLayer():
            return _layer(block)
        case b.TransformerStack(projection, layer, depth):
            (p, m), (layer_p, layer_m) = count(projection), count(layer)
            return p + depth * layer_p, m + depth * layer_m
    raise AssertionError(f"no formula for {type(block).__name__}")


def count_spec(spec: UNetSpec) -> Count:
    """Parameters and MACs of a whole network, every block where it stands."""
    counts = [count(step.block) for _, step in plan(spec).steps()]
    return sum(p for p, _ in counts), sum(m for _, m in counts)


def _embedding(given: int, width: int) -> Count:
    return given * width + width + width * width + width, given * width + width * width


def _conv(conv: Conv, i: int, o: int, pixels: int) -> Count:
    """A 3×3 conv with ``pixels`` of output; separable: depthwise at that size, then pointwise."""
    if conv.kind == "dense":
        return 9 * i * o + o, 9 * i * o * pixels
    params = 9 * i + conv.depthwise_bias * i + i * o + conv.pointwise_bias * o
    return params, (9 * i + i * o) * pixels


def _resample(block: b.Resample) -> Count:
    if block.conv is None:
        return 0, 0
    size = block.size // 2 if block.direction == "down" else block.size * 2
    return _conv(block.conv, block.channels, block.channels, size**2)


def _resblock(block: b.ResBlock) -> Count:
    i, o, pixels = block.in_channels + block.skip, block.out_channels, block.size**2
    base = {"out": o, "in": i, "max": max(i, o)}[block.conv.base]
    hidden = int(base * block.conv.expansion)
    params1, macs1 = _conv(block.conv, i, hidden, pixels)
    params2, macs2 = _conv(block.conv, hidden, o, pixels)
    params = params1 + params2 + 2 * i + 2 * hidden + block.time_width * hidden + hidden
    macs = macs1 + macs2 + block.time_width * hidden
    return (params, macs) if i == o else (params + i * o + o, macs + i * o * pixels)


def _attention(block: b.TransformerLayer, source: int, tokens: int) -> Count:
    n, queries, kv = block.heads * block.head_dim, block.size**2, block.kv_heads * block.head_dim
    norm = {"none": 0, "rms": 2 * block.head_dim, "layer": 4 * block.head_dim}[block.qk_norm]
    params = 2 * n * n + n + 2 * source * kv + norm
    macs = 2 * queries * n * n + 2 * tokens * source * kv + 2 * queries * tokens * n
    return params, macs


def _layer(block: b.TransformerLayer) -> Count:
    n, queries = block.heads * block.head_dim, block.size**2
    hidden = int(n * block.ff_ratio)
    params = 2 * n + (n * 2 * hidden + 2 * hidden) + (hidden * n + n)  # norm, GEGLU in, out
    macs = 3 * queries * n * hidden
    if block.self_attention:
        p, m = _attention(block, n, queries)
        params, macs = params + 2 * n + p, macs + m
    elif block.without_self_attention == "norm":
        params += 2 * n
    if block.cross_attention:
        p, m = _attention(block, block.context_width, block.tokens)
        params, macs = params + 2 * n + p, macs + m
    return params, macs
