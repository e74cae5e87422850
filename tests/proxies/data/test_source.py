"""A source of data is a few words; what it holds has a name of its own."""

import shutil

import pytest

from proxies.data.source import DataSource
from proxies.recipe import Recipe
from proxies.zero_cost import zero_cost_scores
from search_space.errors import WalkbenchError
from tests.proxies.data.files import fill
from tests.proxies.small import score_of, small_spec


def test_the_content_stays_when_the_pictures_move_and_changes_with_them(tmp_path):
    pictures = fill(tmp_path / "pictures", 30)
    before = DataSource(images=str(pictures)).content(24)
    moved = shutil.move(pictures, tmp_path / "elsewhere")
    assert DataSource(images=str(moved)).content(24) == before
    more = fill(tmp_path / "more", 31)
    assert DataSource(images=str(more)).content(24) not in (before, None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"data": "digit"}, "did you mean 'digits'"),
        ({"data": "digits", "latents": "x"}, "data and latents both name data"),
        ({"images": "a", "latents": "b"}, "images and latents both name data"),
        ({"vae": "mine"}, "give latents too"),
    ],
)
def test_words_that_name_no_source_are_refused(words, message):
    with pytest.raises(WalkbenchError, match=message):
        DataSource(**words)


def test_a_proxy_trains_on_the_source_and_says_so():
    recipe = Recipe(batch=2, train_images=16, validation_images=8)
    digits, train = DataSource(data="digits"), {"steps": 2, "width": 8, "recipe": recipe}
    on_digits = score_of(**train, data=digits)
    on_shapes = score_of(**train, data=DataSource())
    assert on_digits.fidelity.data == digits.content(24)
    assert on_shapes.fidelity.data == "shapes"
    assert on_digits.value != on_shapes.value


def test_zero_cost_scores_read_the_data():
    digits = DataSource(data="digits").load(24).train
    shapes, own = (zero_cost_scores(small_spec(), batch=4, data=data) for data in (None, digits))
    assert own["snip"] != shapes["snip"] and own["params"] == shapes["params"]
