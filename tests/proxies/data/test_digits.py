import numpy as np
import pytest

from proxies.data.digits import NAMES, digits
from proxies.data.parts import held_out
from proxies.recipe import Budget
from search_space.errors import WalkbenchError
from search_space.spec import Conditions
from tests.proxies.small import made, small_spec


def test_every_digit_is_in_one_of_two_fixed_parts():
    parts = digits(24)
    assert (len(parts.train), len(parts.validation)) == (1613, 184)
    assert parts.train.name == parts.validation.name
    assert [i for i in range(60) if held_out(f"digit-{i:04}")] == [2, 9, 44, 45, 50]
    for data in (parts.train, parts.validation):
        assert set(data.labels.tolist()) == set(range(10))


def test_a_caption_says_which_digit_it_is():
    data = digits(24).train
    assert [data.captions[i] for i in range(3)] == [f"a digit {NAMES[n]}" for n in data.labels[:3]]
    assert data.vocabulary == 2 + 2 + 10
    assert data.tokens.shape == (1613, 12)


def test_pictures_keep_the_strokes_of_the_originals():
    from sklearn.datasets import load_digits

    original = load_digits().images[0] * (255 / 16)
    picture = digits(24).train.images[0].astype(float)
    assert (picture == picture[:, :, :1]).all()  # grey
    small = picture[:, :, 0].reshape(8, 3, 8, 3).mean(axis=(1, 3))
    assert np.corrcoef(small.ravel(), original.ravel())[0, 1] > 0.97


def test_a_twin_with_classes_learns_digits():
    parts = digits(24)
    spec = small_spec(conditions=Conditions(classes=10))
    trainer = made(spec, data=(parts.train, parts.validation))
    trainer.advance(Budget(steps=40))
    score = trainer.score()
    assert score.ok and score.value < 0.9 * trainer.loss_function.start


def test_a_size_that_loses_the_strokes_is_refused():
    with pytest.raises(WalkbenchError, match="digits of 4 pixels"):
        digits(4)
