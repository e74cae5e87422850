"""`draw(network)`: a network as an SVG.

A UNet is drawn as one: stages as rows from the highest resolution down, the way down on the left,
the way up on the right, skips between the sites that share them, the middle across the bottom.
Widths are channels to scale. Another kind of network is one column. With ``against`` the blocks
that differ from another network are framed.

>>> from search_space.presets import named_spec
>>> picture = draw(named_spec("F/mqa"), "F/mqa", against=named_spec("F/ffn-3"), other="F/ffn-3")
>>> picture.count('class="differs"')  # the stacks of stages 2 and 3, and the middle
11
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from search_space.blocks import Block, TransformerStack
from search_space.cost import cost
from search_space.network import Network
from search_space.plan import Step
from search_space.presets import name_of
from search_space.spec import UNetSpec
from studies.drawing.arms import Arms, Row, Site, arms
from studies.drawing.facts import mid_words, network_facts, stage_words
from studies.drawing.legend import legend
from studies.drawing.marks import attention_words, draw_mark, mark_of
from studies.drawing.svg import document, element, group, path, text
from studies.formats import giga, millions

WIDTH, MARGIN = 560.0, 12.0  # text stays readable where this is shrunk to a phone's width
COLUMN = 172.0  # pixels of the widest part of a network
CHANNELS = 132.0  # pixels of its most channels at most
GAP, SITE_GAP, LEAST_SITE = 3.0, 9.0, 26.0
SKIP_ABOVE = 8.5  # a skip runs so far above the lower edge of the sites that share it
LEFT, RIGHT, MIDDLE = MARGIN + COLUMN / 2, WIDTH - MARGIN - COLUMN / 2, WIDTH / 2
FLOW, SKIP, DIFFERS = "#7b8794", "#98a2ad", "#d6336c"
LINE = 16.0


@dataclass
class _Canvas:
    """What is drawn so far; ``pixels`` is the scale, ``changed`` the paths to frame."""

    pixels: float
    changed: frozenset[str]
    under: list[str] = field(default_factory=list)  # lines, below all marks
    taken: list[tuple[float, float, float]] = field(default_factory=list)  # x, from y, to y
    parts: list[str] = field(default_factory=list)

    def width(self, channels: float) -> float:
        return max(channels * self.pixels, 3.0)

    def half(self, block: Block) -> float:
        """Pixels from the middle of a block to its outermost edge."""
        return self.width(mark_of(block).widest) / 2

    def flow(self, x: float, top: float, bottom: float) -> None:
        """Draw the line that joins the blocks on an arm, where no block is."""
        y = top
        for _, begins, ends in sorted(one for one in self.taken if one[0] == x):
            if begins > y:
                self.under.append(path([(x, y), (x, begins)], stroke=FLOW, stroke_width=1.6))
            y = max(y, ends)
        if bottom > y:
            self.under.append(path([(x, y), (x, bottom)], stroke=FLOW, stroke_width=1.6))


def draw(
    network: Network,
    name: str = "",
    *,
    against: Network | None = None,
    other: str = "",
    alone: bool = True,
) -> str:
    """Return ``network`` drawn as SVG text; ``name`` is its title, by default its name or digest.

    Blocks that differ from those of ``against``, called ``other``, are framed. ``alone``: a file of
    its own, which sets the colour of its text by the reader's preference.
    """
    title = name or name_of(network) or network.digest()
    shape = arms(network)
    steps = dict(network.plan().steps())
    aside = {place for place, _ in shape.aside}
    drawn = [step for place, step in steps.items() if place not in aside]
    canvas = _Canvas(_scale(drawn), _changed(network, against))
    y = _head(canvas, network, title, other if against is not None else "")
    stages = bool(shape.rows and (shape.rows[0].up or shape.mid))
    y = _two_arms(canvas, network, shape, y) if stages else _one_arm(canvas, shape, y)
    key, y = legend(
        [step.block for step in drawn],
        canvas.pixels,
        y + 26,
        WIDTH - 2 * MARGIN,
        bool(canvas.changed),
    )
    body = "".join([*canvas.under, *canvas.parts, key])
    return document(body, (WIDTH, y + MARGIN), title, alone=alone, words=_spoken(network))


def changed_steps(network: Network, against: Network) -> frozenset[str]:
    """Return the paths of the steps whose block ``against`` lacks or has otherwise."""
    others = {path_: step.block for path_, step in against.plan().steps()}
    return frozenset(p for p, step in network.plan().steps() if others.get(p) != step.block)


def _changed(network: Network, against: Network | None) -> frozenset[str]:
    return frozenset() if against is None else changed_steps(network, against)


def _scale(steps: Sequence[Step]) -> float:
    marks = [mark_of(step.block) for step in steps]
    widest, channels = max(m.widest for m in marks), max(m.channels for m in marks)
    return min(COLUMN / widest, CHANNELS / channels)


def _spoken(network: Network) -> str:
    if not isinstance(network, UNetSpec):
        return f"A network of kind {network.kind}."
    stages = ", ".join(
        f"{stage.channels} channels at {network.latent_size >> i}²"
        for i, stage in enumerate(network.stages)
    )
    return f"A UNet of {len(network.stages)} stages: {stages}."


def _head(canvas: _Canvas, network: Network, title: str, other: str) -> float:
    """Draw the name, the sizes and the facts; return where the drawing goes on."""
    priced = cost(network)
    canvas.parts.append(text(_short(title, 50), MARGIN, 26, 20, font_weight=600))
    sizes = f"{millions(priced.params)} params · {giga(priced.macs)} MACs · {network.digest()}"
    lines = [sizes, *_lines(network_facts(network), 74)]
    if other:
        lines.append(f"framed: differs from {_short(other, 50)}")
    y = 47.0
    for i, words in enumerate(lines):
        canvas.parts.append(text(words, MARGIN, y, 14, fill_opacity=1 if not i else 0.78))
        y += LINE + 2
    return y + 4


def _lines(words: Sequence[str], longest: int) -> list[str]:
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 3 <= longest:
            lines[-1] += f" · {word}"
        else:
            lines.append(word)
    return lines


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"


def _two_arms(canvas: _Canvas, network: Network, shape: Arms, y: float) -> float:
    """Draw rows and the middle from ``y`` on; return where they end."""
    places: dict[str, tuple[float, float]] = {}  # where a step's skip begins
    top = y + 4
    for number, row in enumerate(shape.rows):
        y = _row(canvas, network, row, number, y, places)
    return _bottom(canvas, network, shape.mid, top, y)


def _row(
    canvas: _Canvas,
    network: Network,
    row: Row,
    number: int,
    y: float,
    places: dict[str, tuple[float, float]],
) -> float:
    words = stage_words(network, number)
    head = max(30.0, LINE * len(words) + 14)
    for i, line in enumerate(words):
        size = 13.5 if i else 15
        at = y + 15 + i * LINE
        canvas.parts.append(
            text(line, MIDDLE, at, size, anchor="middle", font_weight=None if i else 600)
        )
    for steps, x, rises in ((row.enters, LEFT, False), (row.leaves, RIGHT, True)):
        for place, step in steps:
            tall = mark_of(step.block).height
            _mark(canvas, place, step.block, x, y + (head - tall) / 2, rises)
    y += head
    slots = max(len(row.down) + 1, len(row.up))
    left: list[Site | None] = [*reversed(row.down), None, *[None] * slots][:slots]
    right: list[Site | None] = [*row.up, *[None] * slots][:slots]
    heights = [max(LEAST_SITE * bool(a or b), _height(a), _height(b)) for a, b in
            zip(left, right, strict=True)]  # fmt: skip
    bottom = y + sum(heights) + SITE_GAP * sum(height > 0 for height in heights)
    ends = bottom
    for down, up, height in zip(left, right, heights, strict=True):
        if not height:
            continue
        skip_y = bottom - SKIP_ABOVE
        if down is not None:
            _site(canvas, down, LEFT, bottom - _height(down), rises=False)
            for place, step in down.steps:
                if step.push:
                    places[place] = (LEFT + canvas.half(step.block), skip_y)
        else:
            for place, step in row.enters:
                if step.push:
                    places[place] = (LEFT, skip_y)
        if up is not None:
            _site(canvas, up, RIGHT, bottom - _height(up), rises=True)
            if up.takes is not None and up.takes in places:
                reaches = RIGHT - canvas.half(up.steps[0][1].block)
                _skip(canvas, places[up.takes], (reaches, skip_y))
        bottom -= height + SITE_GAP
    return ends


def _height(site: Site | None) -> float:
    if site is None:
        return 0.0
    marks = [mark_of(step.block).height for _, step in site.steps]
    return sum(marks, 0.0) + GAP * (len(marks) - 1)


def _site(canvas: _Canvas, site: Site, x: float, y: float, *, rises: bool) -> None:
    """Draw the steps of a site from ``y`` down; where the flow ``rises`` the last is on top."""
    away = max(canvas.half(step.block) for _, step in site.steps) + 7
    label = min(y + 11, y + _height(site) - SKIP_ABOVE - 5)
    for place, step in reversed(site.steps) if rises else site.steps:
        mark = mark_of(step.block)
        _mark(canvas, place, step.block, x, y, rises)
        if isinstance(step.block, TransformerStack):  # beside it, clear of the skip at the bottom
            words = f"{step.block.depth}× {attention_words(step.block.layer)}"
            at = y + mark.height / 2 + 4.5 if rises else label
            canvas.parts.append(
                text(words, x - away if rises else x + away, at, 13,
                     anchor="end" if rises else "start", fill_opacity=0.85)
            )  # fmt: skip
        y += mark.height + GAP


def _mark(canvas: _Canvas, place: str, block: Block, x: float, y: float, rises: bool) -> None:
    mark = mark_of(block)
    shape = draw_mark(block, canvas.width, rises)
    parts = [shape]
    if place in canvas.changed:
        parts.append(_frame(canvas.half(block), mark.height))
    canvas.taken.append((x, y, y + mark.height))
    canvas.parts.append(
        group(parts, f"{place}: {mark.words}", transform=f"translate({x:.1f} {y:.1f})")
    )


def _frame(half: float, height: float) -> str:
    return element(
        "rect", x=-half - 4, y=-2.0, width=2 * half + 8, height=height + 4, rx=3, fill="none",
        stroke=DIFFERS, stroke_width=2, class_="differs",
    )  # fmt: skip


def _skip(canvas: _Canvas, start: tuple[float, float], end: tuple[float, float]) -> None:
    dash = "4 3"
    canvas.under.append(
        path([start, end], stroke=SKIP, stroke_width=1.3, stroke_dasharray=dash, fill="none")
    )
    canvas.under.append(element("circle", cx=start[0], cy=start[1], r=2.6, fill=SKIP))
    x, y = end
    canvas.under.append(path([(x - 6, y - 3.5), (x, y), (x - 6, y + 3.5)], closed=True, fill=SKIP))


def _bottom(
    canvas: _Canvas, network: Network, mid: Sequence[tuple[str, Step]], top: float, y: float
) -> float:
    """Draw the middle, turned to run from left to right, and the line that all blocks are on."""
    marks = [mark_of(step.block) for _, step in mid]
    half = max((canvas.width(mark.widest) / 2 for mark in marks), default=0.0)
    level = y + 14 + half
    long = sum(mark.height for mark in marks) + GAP * max(len(marks) - 1, 0)
    x = MIDDLE - long / 2
    ends = [(MIDDLE - long / 2, MIDDLE + long / 2)] if marks else [(MIDDLE, MIDDLE)]
    for (place, step), mark in zip(mid, marks, strict=True):
        parts = [draw_mark(step.block, canvas.width, False)]
        if place in canvas.changed:
            parts.append(_frame(canvas.half(step.block), mark.height))
        turned = f"translate({x:.1f} {level:.1f}) rotate(-90)"
        canvas.parts.append(group(parts, f"{place}: {mark.words}", transform=turned))
        x += mark.height + GAP
    corner = 12.0
    canvas.flow(LEFT, top, level - corner)
    canvas.flow(RIGHT, top, level - corner)
    (begins, finishes), turn = ends[0], level - corner
    line = (
        f"M{LEFT} {turn:.1f}q0 {corner} {corner} {corner}H{begins:.1f}M{finishes:.1f} {level:.1f}"
        f"H{RIGHT - corner}q{corner} 0 {corner} {-corner}"
    )
    canvas.under.append(element("path", d=line, fill="none", stroke=FLOW, stroke_width=1.6))
    head = [(RIGHT - 5, top + 2), (RIGHT, top - 7), (RIGHT + 5, top + 2)]
    canvas.under.append(path(head, closed=True, fill=FLOW))
    y = level + half + 18
    words = mid_words(network)
    if words:
        canvas.parts.append(text(words, MIDDLE, y, 15, anchor="middle", font_weight=600))
    return y if words else level + 8


def _one_arm(canvas: _Canvas, shape: Arms, y: float) -> float:
    """Draw a network that is no UNet: one column of its segments."""
    top = y
    for row in shape.rows:
        canvas.parts.append(text(row.name, LEFT + COLUMN / 2 + 16, y + 16, 14, font_weight=600))
        y += 6
        for place, step in chain.from_iterable(site.steps for site in row.down):
            mark = mark_of(step.block)
            _mark(canvas, place, step.block, LEFT, y, False)
            y += mark.height + GAP
        y += SITE_GAP + 6
    canvas.flow(LEFT, top, y)
    return y
