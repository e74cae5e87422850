"""Captions for the shapes, in the form of GenEval's tasks, with splits of held-out combinations.

Six tasks as in GenEval (arXiv 2310.11513): one object, two objects, counting, colour, position,
colour attribution; a prompt carries what its picture must include, in GenEval's JSON. What the
caption leaves open (colours, places, sizes) is drawn at random.

Splits: ``train`` and ``validation`` share a distribution and no picture; ``pairs`` asks for
(shape, colour) pairs and ``counts`` for (shape, count) pairs that neither of them ever shows.

Any (seed, split, index) gives the same example in any process.

>>> example = sample(seed=0, split="train", index=3, size=24)
>>> example == sample(seed=0, split="train", index=3, size=24)
True
>>> len(VOCABULARY), decode(encode("a red circle left of a blue square"))
(27, 'a red circle left of a blue square')
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from proxies.data.shapes import (
    MAX_BACKGROUND,
    PALETTE,
    SHAPES,
    Scene,
    Thing,
    check_readable,
    place,
)
from proxies.twin import CAPTION_TOKENS
from search_space.errors import WalkbenchError, raise_unknown

TASKS = ("single", "two", "count", "color", "position", "attribution")
SPLITS = ("train", "validation", "pairs", "counts")
COUNTS = {2: "two", 3: "three", 4: "four"}
RELATIONS = ("left of", "right of", "above", "below")
DOMINANCE = 1.6  # a relation holds when its axis differs this many times more than the other
DRAWN_DOMINANCE = 1.9  # drawn with a margin, so that reading to half a pixel cannot undo it

HELD_OUT_PAIRS = frozenset(
    {("circle", "purple"), ("square", "orange"), ("triangle", "cyan"), ("cross", "yellow")}
)
HELD_OUT_COUNTS = frozenset({("circle", 4), ("square", 2), ("triangle", 3), ("cross", 4)})

PAD = "<pad>"
_WORDS = ["a", "and", "of", "left", "right", "above", "below", *COUNTS.values()]
_PLURALS = {shape: f"{shape}es" if shape.endswith("s") else f"{shape}s" for shape in SHAPES}
VOCABULARY = (PAD, *_WORDS, *SHAPES, *_PLURALS.values(), *PALETTE)
_IDS = {word: i for i, word in enumerate(VOCABULARY)}

_PAIRS = [(shape, color) for shape in SHAPES for color in PALETTE]
_SEEN_PAIRS = [pair for pair in _PAIRS if pair not in HELD_OUT_PAIRS]
_COUNTED = [(shape, n) for shape in SHAPES for n in COUNTS]


@dataclass(frozen=True)
class Prompt:
    """A caption and what its picture must include, as GenEval writes it."""

    tag: str
    prompt: str
    include: tuple[dict[str, Any], ...]
    exclude: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return GenEval's JSON: tag, prompt, include and, where there is one, exclude."""
        out = {"tag": self.tag, "prompt": self.prompt, "include": list(self.include)}
        return {**out, "exclude": list(self.exclude)} if self.exclude else out


@dataclass(frozen=True)
class Example:
    """A prompt and a scene that fulfils it."""

    prompt: Prompt
    scene: Scene


def encode(caption: str) -> list[int]:
    """Return ``CAPTION_TOKENS`` word numbers, padded; raises :class:`WalkbenchError` otherwise."""
    words = caption.split()
    if len(words) > CAPTION_TOKENS:
        raise WalkbenchError(
            f"caption {caption!r} has {len(words)} words; {CAPTION_TOKENS} are allowed"
        )
    for word in words:
        if word not in _IDS or word == PAD:
            raise_unknown("word", word, VOCABULARY[1:])
    return [_IDS[word] for word in words] + [0] * (CAPTION_TOKENS - len(words))


def decode(tokens: list[int]) -> str:
    """Return the caption of ``tokens``."""
    return " ".join(VOCABULARY[token] for token in tokens if token)


def sample(seed: int, split: str, index: int, size: int) -> Example:
    """Return example ``index`` of ``split``, for pictures of ``size`` × ``size`` pixels.

    Raises :class:`WalkbenchError` for an unknown split and for a size under ``READABLE``.
    """
    if split not in SPLITS:
        raise_unknown("split", split, SPLITS)
    check_readable(size)
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    while True:
        prompt, kinds = _draw(split, rng)
        for _ in range(20):
            things = place(kinds, size, rng)
            if things is not None and _in_position(prompt, things):
                background = rng.integers(0, MAX_BACKGROUND + 1, size=3).tolist()
                return Example(prompt, Scene(tuple(background), things))


def _choice(items: Any, rng: np.random.Generator) -> Any:
    return items[int(rng.integers(len(items)))]


def _draw(split: str, rng: np.random.Generator) -> tuple[Prompt, list[tuple[str, str]]]:
    """Return a prompt and the (shape, colour) of each thing that its picture shows."""
    if split == "counts":
        shape, n = _choice(sorted(HELD_OUT_COUNTS), rng)
        return _counted(shape, n, rng)
    if split == "pairs":
        pair = _choice(sorted(HELD_OUT_PAIRS), rng)
        if rng.random() < 0.5:
            return _colored(pair)
        return _attributed(pair, _other(pair[0], rng))
    task = _choice(TASKS, rng)
    first = _choice(_SEEN_PAIRS, rng)
    if task == "single":
        return _prompt(task, f"a {first[0]}", [{"class": first[0], "count": 1}]), [first]
    if task == "color":
        return _colored(first)
    if task == "count":
        allowed = [counted for counted in _COUNTED if counted not in HELD_OUT_COUNTS]
        shape, n = _choice(allowed, rng)
        return _counted(shape, n, rng)
    second = _other(first[0], rng)
    if task == "attribution":
        return _attributed(first, second)
    include: list[dict[str, Any]] = [{"class": kind[0], "count": 1} for kind in (first, second)]
    if task == "two":
        return _prompt(task, f"a {first[0]} and a {second[0]}", include), [first, second]
    relation = _choice(RELATIONS, rng)
    include = [include[1], {**include[0], "position": [relation, 0]}]
    return _prompt(task, f"a {first[0]} {relation} a {second[0]}", include), [second, first]


def _other(shape: str, rng: np.random.Generator) -> tuple[str, str]:
    """Return a pair that training shows, of another shape."""
    pair: tuple[str, str] = _choice([pair for pair in _SEEN_PAIRS if pair[0] != shape], rng)
    return pair


def _prompt(
    tag: str,
    text: str,
    include: list[dict[str, Any]],
    exclude: tuple[dict[str, Any], ...] = (),
) -> Prompt:
    return Prompt(tag, text, tuple(include), exclude)


def _colored(pair: tuple[str, str]) -> tuple[Prompt, list[tuple[str, str]]]:
    shape, color = pair
    include = [{"class": shape, "count": 1, "color": color}]
    return _prompt("color", f"a {color} {shape}", include), [pair]


def _attributed(
    first: tuple[str, str], second: tuple[str, str]
) -> tuple[Prompt, list[tuple[str, str]]]:
    include = [{"class": s, "count": 1, "color": c} for s, c in (first, second)]
    text = f"a {first[1]} {first[0]} and a {second[1]} {second[0]}"
    return _prompt("attribution", text, include), [first, second]


def _counted(
    shape: str, count: int, rng: np.random.Generator
) -> tuple[Prompt, list[tuple[str, str]]]:
    colors = [color for s, color in _SEEN_PAIRS if s == shape]
    prompt = _prompt(
        "count",
        f"{COUNTS[count]} {_PLURALS[shape]}",
        [{"class": shape, "count": count}],
        ({"class": shape, "count": count + 1},),
    )
    return prompt, [(shape, _choice(colors, rng)) for _ in range(count)]


def relation_holds(relation: str, a: Thing, b: Thing, dominance: float = DOMINANCE) -> bool:
    """Whether ``a`` is ``relation`` ``b``: on the axis that clearly dominates."""
    dx, dy = a.x - b.x, a.y - b.y
    along, across = (dx, dy) if relation in ("left of", "right of") else (dy, dx)
    if relation in ("left of", "above"):
        along = -along
    return along > dominance * abs(across)


def _in_position(prompt: Prompt, things: tuple[Thing, ...]) -> bool:
    return all(
        relation_holds(item["position"][0], things[i], things[item["position"][1]], DRAWN_DOMINANCE)
        for i, item in enumerate(prompt.include)
        if "position" in item
    )
