"""Read the objects of a picture of shapes by rules, and check them against its prompt.

The background is the median colour; what differs from it falls into connected parts. A part's
colour is the nearest of the palette; its area gives the radius of each shape in closed form and its
centre of mass the place; the shape is the one whose re-drawing covers the same pixels best. A part
that no shape fits (residual above ``MAX_RESIDUAL``) is not an object.

>>> from proxies.data.prompts import sample
>>> from proxies.data.shapes import render
>>> example = sample(seed=0, split="train", index=0, size=24)
>>> check(render(example.scene, 24), example.prompt).strict
True
>>> check(render(sample(0, "train", 1, 24).scene, 24) // 255, example.prompt).loose  # blank
False
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from proxies.data.prompts import Prompt, relation_holds
from proxies.data.shapes import (
    PALETTE,
    SHAPES,
    Scene,
    Thing,
    check_readable,
    coverage,
    render,
    unit,
)

MAX_RESIDUAL = 0.22  # share of a part's area by which the re-drawn shape may differ
FOREGROUND = 24.0  # RGB distance from the background at which a pixel belongs to a part
MIN_AREA = 4.0  # pixels; smaller parts are specks

_COLORS = list(PALETTE)
_RGB = np.array([PALETTE[color] for color in _COLORS], dtype=float)  # (8, 3)
_EIGHT = np.ones((3, 3), dtype=int)  # neighbours across corners belong together


@dataclass(frozen=True)
class Reading:
    """Objects found in a picture, parts that are no object, and the error of a re-drawing.

    ``residual`` is the mean absolute difference between the picture and the re-drawn scene, in
    levels of 255. It falls long before the first prompt is fulfilled.
    """

    scene: Scene
    unclear: int
    residual: float


@dataclass(frozen=True)
class Verdict:
    """Whether a picture fulfils its prompt.

    ``loose``: the picture has all that the prompt includes and nothing that it excludes.
    ``strict``: it has nothing else either. The other fields are single attributes, None where the
    prompt names none.
    """

    strict: bool
    loose: bool
    shapes: bool
    count: bool | None
    color: bool | None
    position: bool | None
    fill: bool | None = None


def read(picture: NDArray[np.uint8], fills: Sequence[str] = ("solid",)) -> Reading:
    """Return what ``picture``, (size, size, 3), shows; its things have one of ``fills``.

    Raises :class:`WalkbenchError` for a size under ``READABLE``.
    """
    check_readable(len(picture))
    pixels = picture.astype(float)
    background = np.median(pixels, axis=(0, 1))  # (3,)
    distance = np.sqrt(((pixels - background) ** 2).sum(axis=2))  # (size, size)
    parts, count = ndimage.label(distance > FOREGROUND, structure=_EIGHT)
    things, unclear = [], 0
    for number, window in enumerate(ndimage.find_objects(parts, count), start=1):
        mask = np.zeros(parts.shape, dtype=bool)
        mask[window] = parts[window] == number
        thing = _thing(pixels, background, distance, mask, fills)
        if thing is None:
            unclear += 1
        else:
            things.append(thing)
    r, g, b = np.floor(background + 0.5).astype(int).tolist()
    scene = Scene((r, g, b), tuple(things))
    redrawn = render(scene, picture.shape[0]).astype(float)
    return Reading(scene, unclear, float(abs(pixels - redrawn).mean()))


def _thing(
    pixels: NDArray[np.float64],
    background: NDArray[np.float64],
    distance: NDArray[np.float64],
    mask: NDArray[np.bool_],
    fills: Sequence[str],
) -> Thing | None:
    """Return the thing that a part shows, or None."""
    strong = mask & (distance >= np.quantile(distance[mask], 0.6))  # inner pixels, not edges
    if fills == ("solid",):
        color = int(((np.median(pixels[strong], axis=0) - _RGB) ** 2).sum(axis=1).argmin())
    else:
        color = _nearest_mixture(pixels[strong], background)
    ray = _RGB[color] - background
    near = ndimage.binary_dilation(mask, structure=_EIGHT)  # edges below the threshold count too
    alpha = np.clip((pixels - background) @ ray / (ray @ ray), 0, 1) * near  # (size, size)
    area = alpha.sum()
    if area < MIN_AREA:
        return None
    rows, columns = np.indices(alpha.shape) + 0.5
    x, y = float((alpha * columns).sum() / area), float((alpha * rows).sum() / area)
    best, least = None, MAX_RESIDUAL
    for shape, fill in itertools.product(SHAPES, fills):
        unit_area, unit_centre = unit(shape, fill)
        radius = float(np.sqrt(area / unit_area))
        top = y - radius * unit_centre
        redrawn = coverage(shape, x, top, radius, alpha.shape[0], fill)
        residual = float(abs(alpha - redrawn).sum() / area)
        if residual <= least:
            best, least = Thing(shape, _COLORS[color], x, top, radius, fill), residual
    return best


def _nearest_mixture(pixels: NDArray[np.float64], background: NDArray[np.float64]) -> int:
    """Return the colour whose mixtures with the background come nearest to ``pixels``, (N, 3).

    Rims and stripes are mixtures all over: no pixel shows their colour itself.
    """
    rays = _RGB - background  # (8, 3)
    seen = pixels - background  # (N, 3)
    share = np.clip(seen @ rays.T / (rays**2).sum(axis=1), 0, 1)  # (N, 8)
    off = ((seen[:, None] - share[:, :, None] * rays) ** 2).sum(axis=2)  # (N, 8)
    return int(off.sum(axis=0).argmin())


def check(picture: NDArray[np.uint8], prompt: Prompt, fills: Sequence[str] = ("solid",)) -> Verdict:
    """Return the verdict on ``picture``, (size, size, 3)."""
    return judge(read(picture, fills), prompt)


def judge(reading: Reading, prompt: Prompt) -> Verdict:
    """Return the verdict on a reading."""
    things = reading.scene.things
    loose = _included(things, prompt) and not any(
        len(_of(things, item)) >= item["count"] for item in prompt.exclude
    )
    wanted = sum(item["count"] for item in prompt.include)
    plain = _without(prompt, "color", "fill", "position").include
    return Verdict(
        strict=loose and reading.unclear == 0 and len(things) == wanted,
        loose=loose,
        shapes=all(_of(things, item) for item in plain),
        count=len(_of(things, plain[0])) == wanted if prompt.exclude else None,
        color=_fulfilled(things, prompt, "color", "fill", "position"),
        position=_fulfilled(things, prompt, "position", "color", "fill"),
        fill=_fulfilled(things, prompt, "fill", "color", "position"),
    )


def _fulfilled(
    things: tuple[Thing, ...], prompt: Prompt, attribute: str, *others: str
) -> bool | None:
    """Whether ``prompt`` holds without ``others``; None where it has no ``attribute``."""
    if not any(attribute in item for item in prompt.include):
        return None
    return _included(things, _without(prompt, *others))


def _without(prompt: Prompt, *keys: str) -> Prompt:
    include = tuple({k: v for k, v in i.items() if k not in keys} for i in prompt.include)
    return Prompt(prompt.tag, prompt.prompt, include)


def _of(things: tuple[Thing, ...], item: dict[str, Any]) -> list[Thing]:
    """Return the things of the class and, where given, the colour and fill of ``item``."""
    color, fill = item.get("color"), item.get("fill")
    return [
        t
        for t in things
        if t.shape == item["class"] and color in (None, t.color) and fill in (None, t.fill)
    ]


def _included(things: tuple[Thing, ...], prompt: Prompt) -> bool:
    found: list[list[Thing]] = []
    for item in prompt.include:
        candidates = _of(things, item)
        if "position" in item:
            relation, target = item["position"]
            candidates = [
                a for a in candidates if any(relation_holds(relation, a, b) for b in found[target])
            ]
        if len(candidates) < item["count"]:
            return False
        found.append(candidates)
    return True
