import hashlib

import numpy as np
import pytest

from proxies.data.dataset import shapes
from search_space.errors import WalkbenchError


@pytest.mark.parametrize(("size", "drawn"), [(8, 24), (12, 24), (16, 32), (20, 40)])
def test_small_pictures_are_the_least_readable_ones_averaged(size, drawn):
    small, large = shapes("train", 6, size), shapes("train", 6, drawn)
    assert small.captions == large.captions
    assert np.array_equal(small.labels, large.labels)
    factor = drawn // size
    for i, j in ((0, 0), (size - 1, 3), (5, size // 2)):
        square = large.images[:, i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
        means = square.astype(float).mean(axis=(1, 2))
        assert np.abs(small.images[:, i, j] - means).max() <= 0.5


def test_the_shapes_are_those_that_every_stored_score_is_about():
    data, digest = shapes("train", 64, 24), hashlib.sha256()
    for part in (data.images, data.tokens.astype("<i8"), data.labels.astype("<i8")):
        digest.update(part.tobytes())
    # Scores name the shapes "shapes": where this has to change, that name has to change too.
    assert digest.hexdigest()[:16] == "58947258dfca0220"


def test_pictures_that_show_nothing_are_refused():
    with pytest.raises(WalkbenchError, match="7 pixels show nothing; use 8 or more"):
        shapes("train", 1, 7)
