"""Flat shapes on a dark ground, drawn exactly: the pictures that proxies train on.

A picture must be rich enough that a text-conditioned network has something to learn (which shape,
which colour, how many, where) and plain enough that a checker without learning can read it back
(:mod:`proxies.data.checker`). So there are four shapes in eight colours, at least ``GAP`` pixels
apart and wholly inside, and edges are the share of each pixel that the shape covers, on a grid of
4 × 4 samples. Drawing uses sums, products and comparisons only, so a scene gives the same bytes on
every machine.

A shape is solid, hollow (it lacks a smaller copy of itself around its centre of mass) or striped
(level bands alternate between its colour and a faint mixture with the background).

>>> scene = Scene(background=(10, 12, 20), things=(Thing("circle", "red", 12.0, 8.0, 4.0),))
>>> picture = render(scene, size=24)
>>> picture.shape, picture.dtype.name, tuple(picture[8, 12].tolist())
((24, 24, 3), 'uint8', (220, 40, 40))
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_space.errors import WalkbenchError

SHAPES = ("circle", "square", "triangle", "cross")
PALETTE: dict[str, tuple[int, int, int]] = {  # every two at least 70 apart in RGB
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (60, 90, 235),
    "yellow": (240, 225, 60),
    "purple": (150, 50, 200),
    "orange": (245, 140, 30),
    "white": (240, 240, 240),
    "cyan": (60, 210, 220),
}
SUPERSAMPLING = 4
READABLE = 24  # pixels; in smaller pictures shapes can no longer be told apart
GAP = 3.0  # pixels between the boxes of two things
RADIUS = (0.11, 0.17)  # of the picture's size
MAX_BACKGROUND = 40  # per channel: dark against every colour

_SQUARE = 0.9  # half the side of a square of radius 1
_ARM = 0.36  # half the width of a cross's arms
_TOP, _FOOT = 1.0, 0.8  # a triangle reaches from -1 to 0.8, its base from -1 to 1

# Area and vertical centre of mass of each shape of radius 1, in closed form.
UNIT_AREA = {
    "circle": math.pi,
    "square": 4 * _SQUARE**2,
    "triangle": _TOP + _FOOT,
    "cross": 8 * _ARM - 4 * _ARM**2,
}
UNIT_CENTRE = {"circle": 0.0, "square": 0.0, "triangle": (2 * _FOOT - _TOP) / 3, "cross": 0.0}

FILLS = ("solid", "hollow", "striped")
HOLE = 0.55  # size of the hole in a hollow shape
BAND = 0.5  # height of a stripe
FAINT = 0.35  # coverage of every other stripe, so that the parts of a shape stay connected


@dataclass(frozen=True)
class Thing:
    """One shape: its colour, centre and radius in pixels, and fill; x to the right, y down."""

    shape: str
    color: str
    x: float
    y: float
    radius: float
    fill: str = "solid"


@dataclass(frozen=True)
class Scene:
    """Things on a flat background."""

    background: tuple[int, int, int]
    things: tuple[Thing, ...]


def coverage(
    shape: str, x: float, y: float, radius: float, size: int, fill: str = "solid"
) -> NDArray[np.float64]:
    """Return which share of each pixel, (size, size), the shape covers."""
    low_x, low_y = max(0, math.floor(x - radius)), max(0, math.floor(y - radius))
    high_x, high_y = min(size, math.ceil(x + radius)), min(size, math.ceil(y + radius))
    out = np.zeros((size, size))
    if low_x >= high_x or low_y >= high_y:
        return out
    n = SUPERSAMPLING
    u = (np.arange(low_x * n, high_x * n) + 0.5) / n - x  # (w·n,) sample places from the centre
    v = ((np.arange(low_y * n, high_y * n) + 0.5) / n - y)[:, None]  # (h·n, 1)
    shown = weight(shape, u / radius, v / radius, fill)  # (h·n, w·n)
    window = shown.reshape(high_y - low_y, n, high_x - low_x, n)
    out[low_y:high_y, low_x:high_x] = window.sum(axis=(1, 3)) / n**2
    return out


def weight(
    shape: str, u: NDArray[np.float64], v: NDArray[np.float64], fill: str = "solid"
) -> NDArray[Any]:
    """Return how much of its colour the shape of radius 1 shows at places (u, v), 0 to 1."""
    covered = _inside(shape, u, v)
    if fill == "hollow":
        centre = UNIT_CENTRE[shape]
        return covered & ~_inside(shape, u / HOLE, (v - centre) / HOLE + centre)
    if fill == "striped":
        return covered * np.where(np.floor((v + 1) / BAND) % 2 == 0, 1.0, FAINT)
    return covered


def _inside(shape: str, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether places (u, v) lie in the shape of radius 1."""
    if shape == "circle":
        return u * u + v * v <= 1
    if shape == "square":
        return (abs(u) <= _SQUARE) & (abs(v) <= _SQUARE)
    if shape == "triangle":
        return (v <= _FOOT) & ((_TOP + _FOOT) * abs(u) <= v + _TOP)
    return ((abs(u) <= _ARM) & (abs(v) <= 1)) | ((abs(v) <= _ARM) & (abs(u) <= 1))


@lru_cache(maxsize=32)
def unit(shape: str, fill: str = "solid") -> tuple[float, float]:
    """Return area and vertical centre of mass of the filled shape of radius 1.

    In closed form where it is solid, else by adding up 400 × 400 places.
    """
    if fill == "solid":
        return UNIT_AREA[shape], UNIT_CENTRE[shape]
    places = (np.arange(400) + 0.5) / 200 - 1
    rows = weight(shape, places, places[:, None], fill).sum(axis=1)
    return float(rows.sum() / 200**2), float(rows @ places / rows.sum())


def check_readable(size: int) -> None:
    """Raise :class:`WalkbenchError` where pictures of ``size`` pixels cannot be read back."""
    if size < READABLE:
        raise WalkbenchError(
            f"pictures of {size} pixels are too small to read; use {READABLE} or more"
        )


def render(scene: Scene, size: int) -> NDArray[np.uint8]:
    """Return the picture, (size, size, 3)."""
    out = np.empty((size, size, 3))
    out[:] = scene.background
    for thing in scene.things:
        alpha = coverage(thing.shape, thing.x, thing.y, thing.radius, size, thing.fill)
        out += alpha[:, :, None] * (np.array(PALETTE[thing.color]) - out)
    return np.floor(out + 0.5).astype(np.uint8)


def place(
    kinds: Sequence[tuple[str, ...]],
    size: int,
    rng: np.random.Generator,
    radii: tuple[float, float] = RADIUS,
    gap: float = GAP,
) -> tuple[Thing, ...] | None:
    """Return things of ``kinds`` at random places, or None when they did not fit.

    A kind is (shape, colour) or (shape, colour, fill); ``radii`` are shares of ``size``. Boxes
    stay ``gap`` pixels apart and wholly inside.
    """
    things: list[Thing] = []
    for shape, color, *fill in kinds:
        radius = size * rng.uniform(*radii)
        for x, y in rng.uniform(radius, size - radius, size=(24, 2)):
            if all(
                max(abs(x - other.x), abs(y - other.y)) >= radius + other.radius + gap
                for other in things
            ):
                things.append(Thing(shape, color, float(x), float(y), float(radius), *fill))
                break
        else:
            return None
    return tuple(things)
