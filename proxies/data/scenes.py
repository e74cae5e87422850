"""Harder pictures of the same kind: more and smaller things, fills, chains of relations.

Twins tie on the plain shapes of :mod:`proxies.data.prompts`: four things with one colour each are
learned by every design. A :class:`SceneTask` asks for more of the same kind, so the checker still
reads every picture back exactly. Captions name every attribute that the picture shows but places
and sizes. ``pairs`` and ``counts`` hold the same combinations back as the plain shapes do.

>>> example = sample("scenes", seed=0, split="train", index=1, size=32)
>>> example == sample("scenes", seed=0, split="train", index=1, size=32)
True
>>> len(encode(example.prompt.prompt)) == TOKENS
True
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from proxies.data.prompts import (
    DRAWN_DOMINANCE,
    HELD_OUT_COUNTS,
    HELD_OUT_PAIRS,
    PAD,
    RELATIONS,
    SPLITS,
    Example,
    Prompt,
    relation_holds,
)
from proxies.data.shapes import FILLS, MAX_BACKGROUND, PALETTE, SHAPES, Scene, place
from search_space.errors import WalkbenchError, raise_unknown

TOKENS = 20  # words of the longest caption
REVISION = 1  # of the pictures: losses of two revisions do not compare
COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


@dataclass(frozen=True)
class SceneTask:
    """What the pictures of a task hold. ``tags`` are the sorts of captions, equally frequent."""

    tags: tuple[str, ...]
    fills: tuple[str, ...]
    counts: tuple[int, ...]
    radii: tuple[float, float]  # shares of the picture's side
    gap: float  # pixels between the boxes of two things
    least: int  # pixels of a side below which the checker cannot read the pictures


TASKS = {
    "crowd": SceneTask(
        tags=("two", "three", "count", "position", "chain"),
        fills=("solid",),
        counts=(2, 3, 4, 5, 6),
        radii=(0.085, 0.13),
        gap=2.0,
        least=32,
    ),
    "scenes": SceneTask(
        tags=("two", "three", "count", "position", "chain"),
        fills=FILLS,
        counts=(2, 3, 4),
        radii=(0.12, 0.155),
        gap=2.0,
        least=32,
    ),
}

_PLURALS = {shape: f"{shape}es" if shape.endswith("s") else f"{shape}s" for shape in SHAPES}
_WORDS = ("a", "and", "of", "left", "right", "above", "below", *COUNTS.values())
VOCABULARY = (PAD, *_WORDS, *SHAPES, *_PLURALS.values(), *PALETTE, *FILLS)
_IDS = {word: i for i, word in enumerate(VOCABULARY)}
_SEEN = [(s, c) for s in SHAPES for c in PALETTE if (s, c) not in HELD_OUT_PAIRS]

Kind = tuple[str, str, str]  # shape, colour, fill


def encode(caption: str) -> list[int]:
    """Return ``TOKENS`` word numbers, padded; raises :class:`WalkbenchError` otherwise."""
    words = caption.split()
    if len(words) > TOKENS:
        raise WalkbenchError(f"caption {caption!r} has {len(words)} words; {TOKENS} are allowed")
    for word in words:
        if word not in _IDS or word == PAD:
            raise_unknown("word", word, VOCABULARY[1:])
    return [_IDS[word] for word in words] + [0] * (TOKENS - len(words))


def content_name(task: str) -> str:
    """Return the name of the pictures of ``task``."""
    return f"{task}-{REVISION}"


def task_named(content: str) -> str | None:
    """Return the task whose pictures have this name; None where they are of none."""
    return next((task for task in TASKS if content_name(task) == content), None)


def task_of(name: str, size: int) -> SceneTask:
    """Return task ``name``; raises :class:`WalkbenchError` where ``size`` is too small for it."""
    if name not in TASKS:
        raise_unknown("task", name, TASKS)
    task = TASKS[name]
    if size < task.least:
        raise WalkbenchError(
            f"pictures of {size} pixels are too small for {name!r}; use {task.least} or more"
        )
    return task


def sample(name: str, seed: int, split: str, index: int, size: int) -> Example:
    """Return example ``index`` of ``split`` of task ``name``, for pictures ``size`` wide.

    Raises :class:`WalkbenchError` for an unknown task or split and for a size under the least.
    """
    task = task_of(name, size)
    if split not in SPLITS:
        raise_unknown("split", split, SPLITS)
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    while True:
        prompt, kinds = _draw(task, split, rng)
        for _ in range(40):
            things = place(kinds, size, rng, task.radii, task.gap)
            if things is not None and _in_position(prompt, things):
                background = rng.integers(0, MAX_BACKGROUND + 1, size=3).tolist()
                return Example(prompt, Scene(tuple(background), things))


def _draw(task: SceneTask, split: str, rng: np.random.Generator) -> tuple[Prompt, list[Kind]]:
    """Return a prompt and the kind of each thing that its picture shows."""
    if split == "counts":
        shape, n = _choice(sorted(HELD_OUT_COUNTS), rng)
        return _counted(task, shape, n, rng)
    tags = [tag for tag in task.tags if split != "pairs" or tag in ("two", "three")]
    tag = _choice(tags, rng)
    if tag == "count":
        allowed = [(s, n) for s in SHAPES for n in task.counts if (s, n) not in HELD_OUT_COUNTS]
        shape, n = _choice(allowed, rng)
        return _counted(task, shape, n, rng)
    kinds = _different(task, 3 if tag in ("three", "chain") else 2, split == "pairs", rng)
    if tag in ("two", "three"):
        text = " and ".join(_named(task, kind) for kind in kinds)
        return Prompt(tag, text, tuple(_item(task, kind) for kind in kinds)), kinds
    relations = [_choice(RELATIONS, rng) for _ in kinds[1:]]
    text = _named(task, kinds[0])
    for relation, kind in zip(relations, kinds[1:], strict=True):
        text += f" {relation} {_named(task, kind)}"
    # The last thing comes first, since a position refers to an item before it.
    kinds, relations = kinds[::-1], relations[::-1]
    include = [_item(task, kinds[0])]
    for i, (relation, kind) in enumerate(zip(relations, kinds[1:], strict=True)):
        include.append({**_item(task, kind), "position": [relation, i]})
    return Prompt(tag, text, tuple(include)), kinds


def _different(task: SceneTask, count: int, held_out: bool, rng: np.random.Generator) -> list[Kind]:
    """Return kinds of different shapes; with ``held_out`` the first pair is never trained."""
    kinds: list[Kind] = []
    for _ in range(count):
        pairs = sorted(HELD_OUT_PAIRS) if held_out and not kinds else _SEEN
        used = {shape for shape, _, _ in kinds}
        shape, color = _choice([pair for pair in pairs if pair[0] not in used], rng)
        kinds.append((shape, color, _choice(task.fills, rng)))
    return kinds


def _counted(
    task: SceneTask, shape: str, count: int, rng: np.random.Generator
) -> tuple[Prompt, list[Kind]]:
    """Return a prompt for ``count`` things of one kind."""
    color = _choice([c for s, c in _SEEN if s == shape], rng)
    kind = (shape, color, _choice(task.fills, rng))
    item = {**_item(task, kind), "count": count}
    text = f"{COUNTS[count]} {_named(task, kind, plural=True)}"
    return Prompt("count", text, (item,), ({**item, "count": count + 1},)), [kind] * count


def _item(task: SceneTask, kind: Kind) -> dict[str, Any]:
    shape, color, fill = kind
    item = {"class": shape, "count": 1, "color": color}
    return {**item, "fill": fill} if len(task.fills) > 1 else item


def _named(task: SceneTask, kind: Kind, plural: bool = False) -> str:
    shape, color, fill = kind
    words = [fill] if len(task.fills) > 1 else []
    words += [color, _PLURALS[shape] if plural else shape]
    return " ".join(words if plural else ["a", *words])


def _choice(items: Any, rng: np.random.Generator) -> Any:
    return items[int(rng.integers(len(items)))]


def _in_position(prompt: Prompt, things: tuple[Any, ...]) -> bool:
    return all(
        relation_holds(item["position"][0], things[i], things[item["position"][1]], DRAWN_DOMINANCE)
        for i, item in enumerate(prompt.include)
        if "position" in item
    )
