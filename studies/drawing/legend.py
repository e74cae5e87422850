"""The legend of a drawing: the marks that occur in it, and a bar of how wide so many channels are.

>>> from search_space.blocks import ConvIn
>>> "channels" in legend([ConvIn(4, 64, 32)], 0.2, 0.0, 600.0, False)[0]
True
"""

from collections.abc import Sequence

from search_space.blocks import Block, Resample, ResBlock, TransformerStack
from studies.drawing.marks import CONV, CROSS, FEED, SAMPLER, SELF
from studies.drawing.svg import element, path, text

MARGIN, SIZE, LINE = 12.0, 13.0, 21.0
CHARACTER = 7.0  # pixels of an average character of this size
ROUND = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


def legend(
    blocks: Sequence[Block], pixels: float, y: float, width: float, framed: bool
) -> tuple[str, float]:
    """Return the legend drawn from ``y`` on, ``width`` pixels wide, and where it ends."""
    channels = min(ROUND, key=lambda n: abs(n * pixels - 50))
    scale = channels * pixels
    entries = [(_scale(scale), scale, f"{channels} channels")]
    entries += [(_key(mark), 16.0, words) for mark, words in _used(blocks)]
    if any(step for step in blocks if getattr(step, "skip", 0)):
        entries.append((_dash(), 16.0, "skip"))
    if framed:
        entries.append((_framed(), 16.0, "differs"))
    parts, x = [], MARGIN
    for drawn, wide, words in entries:
        room = wide + 6 + len(words) * CHARACTER + 18
        if x + room > MARGIN + width + 18:
            x, y = MARGIN, y + LINE
        parts.append(element("g", drawn, transform=f"translate({x:.1f} {y:.1f})"))
        parts.append(text(words, x + wide + 6, y + 4, SIZE, fill_opacity=0.85))
        x += room
    return "".join(parts), y + 8


def _used(blocks: Sequence[Block]) -> list[tuple[tuple[str, float, str | None], str]]:
    """Return (colour, opacity, dash) and words of each mark that occurs."""
    convs = {block.conv.kind for block in blocks if isinstance(block, ResBlock)}
    layers = [block.layer for block in blocks if isinstance(block, TransformerStack)]
    samplers = [block for block in blocks if isinstance(block, Resample)]
    found: list[tuple[tuple[str, float, str | None], str]] = [
        ((CONV, 1.0 if kind == "dense" else 0.3, None), f"resblock, {kind}")
        for kind in sorted(convs)
    ]
    found += [((SELF, 1.0, None), "self-attention")] * any(one.self_attention for one in layers)
    found += [((CROSS, 1.0, None), "cross-attention")] * any(one.cross_attention for one in layers)
    found += [((FEED, 1.0, None), "feed-forward")] * bool(layers)
    kinds = {block.conv.kind if block.conv else "none" for block in samplers}
    opacity = {"dense": 1.0, "none": 0.0}
    found += [
        ((SAMPLER, opacity.get(kind, 0.35), "3 2" if kind == "none" else None),
         "sampler" if kind == "dense" else f"sampler, {kind}" if kind != "none"
         else "sampler without conv")
        for kind in sorted(kinds)
    ]  # fmt: skip
    return found


def _key(mark: tuple[str, float, str | None]) -> str:
    colour, opacity, dash = mark
    return element(
        "rect", x=0, y=-5, width=16, height=10, rx=1.5, fill=colour, fill_opacity=opacity,
        stroke=colour, stroke_width=1.2, stroke_dasharray=dash,
    )  # fmt: skip


def _scale(width: float) -> str:
    ends = [(0.0, -4.0), (0.0, 4.0), (0.0, 0.0), (width, 0.0), (width, -4.0), (width, 4.0)]
    return path(ends, fill="none", stroke="currentColor", stroke_width=1.2)


def _dash() -> str:
    return element(
        "line", x1=0, x2=16, y1=0, y2=0, stroke="#98a2ad", stroke_width=1.3, stroke_dasharray="4 3"
    )


def _framed() -> str:
    return element(
        "rect", x=1, y=-5, width=14, height=10, rx=3, fill="none", stroke="#d6336c", stroke_width=2
    )
