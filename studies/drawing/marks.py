"""The mark of one block: its shape with the width of its channels to scale, its height, its words.

A mark is drawn around the middle of its upper edge, in the direction of the flow; an arm that rises
turns it over. A block of a kind that has no entry here is a plain bar.

>>> from search_space.blocks import ConvIn
>>> mark_of(ConvIn(4, 320, 128))
Mark(channels=320, widest=320, height=9.0, words='conv_in 4 → 320')
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from search_space.blocks import Block, ConvIn, ConvOut, Fuse, Resample, ResBlock, TransformerStack
from search_space.conv import Conv
from studies.drawing.svg import element, path

# Readable on white and on black; told apart by shape and order too, for the colour-blind.
CONV, SELF, CROSS, FEED, SAMPLER = "#6f8299", "#dd6b2f", "#2f8fc4", "#9a82c4", "#2a9d78"

STRIPE, BETWEEN = 2.8, 1.6  # pixels of one sublayer, and between two layers
TALLEST = 150.0  # pixels of a transformer stack; deeper ones are drawn with thinner layers
RES = 17.0


@dataclass(frozen=True)
class Mark:
    """Channels it leaves, channels of its widest part, height in pixels, and what it is."""

    channels: int
    widest: int
    height: float
    words: str


def mark_of(block: Block) -> Mark:
    """Return how ``block`` is drawn."""
    if isinstance(block, ResBlock):
        skip = f" + {block.skip} of a skip" if block.skip else ""
        words = f"resblock {block.in_channels}{skip} → {block.out_channels}"
        words += f", {conv_words(block.conv)}, {block.hidden} between its convs"
        return Mark(block.out_channels, max(block.hidden, block.out_channels), RES, words)
    if isinstance(block, TransformerStack):
        layer = block.layer
        words = (
            f"{block.depth}× {attention_words(layer)}, {layer.heads} heads of {layer.head_dim}, "
            f"{layer.kv_heads} for keys and values, FFN ×{layer.ff_ratio:g}"
        )
        channels = block.projection.channels
        return Mark(channels, max(channels, layer.inner), _layer_height(block) * block.depth, words)
    if isinstance(block, Resample):
        how = conv_words(block.conv) if block.conv else "no convolution"
        turn = "halves" if block.direction == "down" else "doubles"
        return Mark(block.channels, block.channels, 13.0, f"{turn} the resolution, {how}")
    if isinstance(block, Fuse):
        skip = f" + {block.skip} of a skip" if block.skip else ""
        words = f"1×1 conv {block.in_channels}{skip} → {block.out_channels}"
        return Mark(block.out_channels, block.out_channels, 8.0, words)
    if isinstance(block, ConvIn | ConvOut):
        width = block.out_channels if isinstance(block, ConvIn) else block.in_channels
        return Mark(width, width, 9.0, f"{block.kind} {block.in_channels} → {block.out_channels}")
    channels = _channels(block)
    return Mark(channels, channels, 12.0, block.key)


def draw_mark(block: Block, width: Callable[[float], float], rises: bool) -> str:
    """Return ``block`` drawn downwards from (0, 0); ``width`` turns channels into pixels.

    ``rises``: the flow goes up, from the lower edge.
    """
    mark = mark_of(block)
    half = width(mark.channels) / 2
    if isinstance(block, ResBlock):
        return _resblock(block, half, width(block.hidden) / 2)
    if isinstance(block, TransformerStack):
        return _stack(block, half, rises)
    if isinstance(block, Resample):
        return _sampler(block, half, mark.height, rises)
    if isinstance(block, Fuse):
        return element(
            "rect", x=-half, y=0, width=2 * half, height=mark.height, fill=CONV, fill_opacity=0.55
        )
    return element("rect", x=-half, y=0, width=2 * half, height=mark.height, rx=2, fill=CONV)


def conv_words(conv: Conv) -> str:
    """Write a convolution: dense, or separable ×2 of in."""
    if conv.expansion == 1.0:
        return conv.kind
    return f"{conv.kind} ×{conv.expansion:g}" + ("" if conv.base == "out" else f" of {conv.base}")


def attention_words(layer: Any) -> str:
    """Write the attention of a layer, or of the middle: SA CA; FFN alone without any."""
    parts = (("SA", layer.self_attention), ("CA", layer.cross_attention))
    return " ".join(name for name, has in parts if has) or "FFN alone"


def _channels(block: Block) -> int:
    for name in ("out_channels", "channels", "width"):
        if isinstance(found := getattr(block, name, None), int):
            return found
    first = next(iter(block.inputs().values())).shape
    return first[0] if first else 1


def _stripes(block: TransformerStack) -> list[str]:
    layer = block.layer
    return [SELF] * layer.self_attention + [CROSS] * layer.cross_attention + [FEED]


def _layer_height(block: TransformerStack) -> float:
    return min(len(_stripes(block)) * STRIPE + BETWEEN, TALLEST / block.depth)


def _stack(block: TransformerStack, half: float, rises: bool) -> str:
    """One stripe a sublayer, in the order in which they run."""
    colours, height = _stripes(block), _layer_height(block)
    gap = height * BETWEEN / (len(colours) * STRIPE + BETWEEN)
    stripe = (height - gap) / len(colours)
    rows = []
    for number, colour in enumerate(colours[::-1] if rises else colours):
        steps = " ".join(
            f"M{-half:.1f} {i * height + number * stripe + gap / 2:.2f}h{2 * half:.1f}v{stripe:.2f}"
            f"h{-2 * half:.1f}z"
            for i in range(block.depth)
        )
        rows.append(element("path", d=steps, fill=colour))
    return "".join(rows)


def _resblock(block: ResBlock, half: float, hidden: float) -> str:
    """Two bars as wide as the output around the width between the convs; hollow if separable."""
    dense = block.conv.kind == "dense"
    edge = 4.0
    outline = [
        (-half, 0.0), (half, 0.0), (half, edge), (hidden, edge), (hidden, RES - edge),
        (half, RES - edge), (half, RES), (-half, RES), (-half, RES - edge), (-hidden, RES - edge),
        (-hidden, edge), (-half, edge),
    ]  # fmt: skip
    body = path(
        outline,
        closed=True,
        fill=CONV,
        fill_opacity=1 if dense else 0.3,
        stroke=CONV,
        stroke_width=1.2,
        stroke_linejoin="round",
    )
    if dense:
        return body
    inside = min(half, hidden)
    dots = element(
        "line", x1=-inside, x2=inside, y1=RES / 2, y2=RES / 2, stroke=CONV, stroke_width=2,
        stroke_dasharray="2 3",
    )  # fmt: skip
    return body + dots


def _sampler(block: Resample, half: float, height: float, rises: bool) -> str:
    near, far = (half, half * 0.62) if block.direction == "down" else (half * 0.62, half)
    if rises:
        near, far = far, near
    kind = block.conv.kind if block.conv else "none"
    fill = {"dense": 1.0, "none": 0.0}.get(kind, 0.35)
    return path(
        [(-near, 0.0), (near, 0.0), (far, height), (-far, height)],
        closed=True,
        fill=SAMPLER,
        fill_opacity=fill,
        stroke=SAMPLER,
        stroke_width=1.2,
        stroke_dasharray="3 2" if kind == "none" else None,
    )
