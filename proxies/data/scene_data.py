"""The pictures of :mod:`proxies.data.scenes` as training data, made once per process.

>>> data = scene_pictures("crowd", "train", count=4, size=32)
>>> data.images.shape, data.tokens.shape, data.name
((4, 32, 32, 3), (4, 20), 'crowd-1')
>>> scene_pictures("crowd", "train", count=4, size=16).captions == data.captions  # halved
True
"""

from functools import lru_cache

import numpy as np

from proxies.data.dataset import DATA_SEED, Captioned, drawn_at, reduced
from proxies.data.parts import Parts
from proxies.data.prompts import Example
from proxies.data.scenes import TASKS, VOCABULARY, content_name, encode, sample
from proxies.data.shapes import PALETTE, SHAPES, render
from search_space.errors import raise_unknown

TRAIN, VALIDATION = 4096, 512  # pictures

_COLORS = list(PALETTE)


@lru_cache(maxsize=4)
def scene_examples(task: str, split: str, count: int, size: int) -> tuple[Example, ...]:
    """Return prompts and scenes of :func:`scene_pictures`, for checking samples against."""
    return tuple(sample(task, DATA_SEED, split, i, size) for i in range(count))


@lru_cache(maxsize=4)
def scene_pictures(task: str, split: str, count: int, size: int) -> Captioned:
    """Return the first ``count`` examples of a split of ``task``, ``size`` pixels wide.

    The label is the (shape, colour) of the first thing. Pictures too small to be read back are
    larger ones brought down by averaging. Raises :class:`WalkbenchError` for an unknown task or
    split and for a size under 8.
    """
    if task not in TASKS:
        raise_unknown("task", task, TASKS)
    drawn = drawn_at(size, TASKS[task].least)
    made = scene_examples(task, split, count, drawn)
    firsts = [example.scene.things[0] for example in made]
    captions = tuple(example.prompt.prompt for example in made)
    return Captioned(
        content_name(task),
        np.stack([reduced(render(example.scene, drawn), drawn // size) for example in made]),
        np.array([encode(caption) for caption in captions], dtype=np.int64),
        np.array([SHAPES.index(t.shape) * len(_COLORS) + _COLORS.index(t.color) for t in firsts]),
        captions,
        len(VOCABULARY),
    )


def scene_parts(task: str, size: int) -> Parts[Captioned]:
    """Return the training and validation pictures of ``task``, ``size`` pixels wide."""
    return Parts(
        scene_pictures(task, "train", TRAIN, size),
        scene_pictures(task, "validation", VALIDATION, size),
    )
