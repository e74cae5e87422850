"""Handwritten digits: a small set of real images that needs no download.

scikit-learn ships 1,797 digits of 8 × 8 pixels (UCI, "Optical Recognition of Handwritten
Digits", Alpaydin & Kaynak 1998). Here each is grey, scaled up to the size of the twin, and has a
caption ("a digit seven"), its class the digit. The held-out digits are fixed by their number
in the set.

>>> parts = digits(size=24)
>>> len(parts.train), len(parts.validation), parts.train.captions[0]
(1613, 184, 'a digit zero')
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from proxies.data.dataset import Captioned
from proxies.data.entries import Sample
from proxies.data.parts import Parts, split
from proxies.twin import CAPTION_TOKENS
from search_space.errors import WalkbenchError

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIDE = 8  # pixels of an original
LEVELS = 16  # the originals' values go from 0 to 16


@lru_cache(maxsize=4)
def digits(size: int) -> Parts[Captioned]:
    """Return scikit-learn's digits, ``size`` × ``size`` pixels of grey, in two fixed parts.

    Raises :class:`WalkbenchError` for a size under 8.
    """
    from sklearn.datasets import load_digits

    if size < SIDE:
        raise WalkbenchError(f"digits of {size} pixels lose what they show; use {SIDE} or more")
    found = load_digits()
    samples = [
        Sample(f"digit-{i:04}", _enlarged(image, size), f"a digit {NAMES[label]}", int(label))
        for i, (image, label) in enumerate(zip(found.images, found.target, strict=True))
    ]
    return split(samples, "digits", CAPTION_TOKENS)


def _enlarged(image: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """Return values (8, 8) of 0 to 16 as a grey picture (size, size, 3)."""
    from PIL import Image

    grey = Image.fromarray(np.round(image * (255 / LEVELS)).astype(np.uint8))
    return np.asarray(grey.resize((size, size), Image.Resampling.BICUBIC).convert("RGB"))
