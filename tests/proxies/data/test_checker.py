import numpy as np
import pytest

from proxies.data.checker import check, judge, read
from proxies.data.prompts import SPLITS, Prompt, sample
from proxies.data.shapes import Scene, Thing, render

PER_SPLIT = {24: 400, 32: 150, 64: 60}


@pytest.mark.thinned
@pytest.mark.parametrize("size", PER_SPLIT)
@pytest.mark.parametrize("split", SPLITS)
def test_every_picture_is_read_back_exactly(split, size):
    for index in range(PER_SPLIT[size]):
        example = sample(0, split, index, size)
        picture = render(example.scene, size)
        reading = read(picture)
        drawn = sorted((t.shape, t.color) for t in example.scene.things)
        assert sorted((t.shape, t.color) for t in reading.scene.things) == drawn, index
        verdict = judge(reading, example.prompt)
        assert verdict.strict, (index, example)
        assert verdict.loose and verdict.shapes
        assert verdict.color is not False and verdict.count is not False
        assert verdict.position is not False


def test_places_and_radii_are_read_to_half_a_pixel():
    for index in range(100):
        example = sample(0, "train", index, 32)
        found = read(render(example.scene, 32)).scene.things
        for thing in example.scene.things:
            near = min(found, key=lambda f: abs(f.x - thing.x) + abs(f.y - thing.y))
            assert abs(near.x - thing.x) < 0.5 and abs(near.y - thing.y) < 0.5
            assert abs(near.radius - thing.radius) < 0.5


def test_a_caption_of_another_picture_is_seldom_fulfilled():
    pairs = [sample(0, "validation", i, 24) for i in range(300)]
    verdicts = [
        check(render(a.scene, 24), b.prompt).strict
        for a, b in zip(pairs, pairs[1:] + pairs[:1], strict=True)
    ]
    assert 0 < np.mean(verdicts) < 0.06  # "a cross" after "a red cross" is fulfilled by chance


def test_a_blank_picture_fulfils_nothing():
    blank = np.full((24, 24, 3), 20, dtype=np.uint8)
    for index in range(100):
        verdict = check(blank, sample(0, "train", index, 24).prompt)
        assert not (verdict.strict or verdict.loose or verdict.shapes)


def test_noise_shows_nothing_that_passes():
    rng = np.random.default_rng(0)
    for index in range(50):
        noise = rng.integers(0, 256, size=(24, 24, 3), dtype=np.uint8)
        assert not check(noise, sample(0, "train", index, 24).prompt).strict


def test_blur_raises_the_residual():
    picture = render(sample(0, "train", 0, 24).scene, 24)
    blurred = (picture.astype(int) + np.roll(picture, 1, 0) + np.roll(picture, 1, 1)) // 3
    assert read(blurred.astype(np.uint8)).residual > 5 * read(picture).residual


RED_LEFT = Thing("circle", "red", 6.0, 12.0, 3.5)
BLUE_RIGHT = Thing("square", "blue", 17.0, 12.0, 3.5)


def verdict_of(things, include, exclude=()):
    picture = render(Scene((10, 10, 10), things), 24)
    return check(picture, Prompt("test", "", tuple(include), tuple(exclude)))


def test_each_attribute_fails_alone():
    both = (RED_LEFT, BLUE_RIGHT)
    circle, square = {"class": "circle", "count": 1}, {"class": "square", "count": 1}
    left = {**circle, "position": ["left of", 0]}
    assert verdict_of(both, [square, left]).strict
    wrong_side = verdict_of(both, [square, {**circle, "position": ["right of", 0]}])
    assert (wrong_side.shapes, wrong_side.position, wrong_side.loose) == (True, False, False)
    wrong_color = verdict_of(both, [{**circle, "color": "blue"}])
    assert (wrong_color.shapes, wrong_color.color, wrong_color.loose) == (True, False, False)
    extra = verdict_of(both, [circle])
    assert (extra.loose, extra.strict) == (True, False)
    too_many = verdict_of(
        (RED_LEFT, Thing("circle", "red", 17.0, 12.0, 3.5)), [circle], [{**circle, "count": 2}]
    )
    assert (too_many.count, too_many.loose) == (False, False)
