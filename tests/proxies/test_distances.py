import dataclasses

import numpy as np
import pytest
import torch
from scipy import linalg, ndimage

from proxies import feature_spaces
from proxies.data.shapes import PALETTE, Scene, render
from proxies.distances import distance, distances, frechet, kid
from proxies.feature_spaces import SPACES, RandomConv, feature_space
from proxies.samples import Samples, real_samples
from search_space.errors import WalkbenchError

N, SIZE = 400, 24


@pytest.fixture(scope="module")
def real():
    return real_samples(N, SIZE)


def measure(name, real, images):
    return distance(name, Samples(np.asarray(images, dtype=np.uint8), real.examples))


def redrawn(real, change, share=0.1):
    """The real pictures, of which ``share`` show a scene that ``change`` has been at."""
    images = real.images.copy()
    for i in range(0, len(images), round(1 / share)):
        scene = real.examples[i].scene
        images[i] = render(Scene(scene.background, change(scene.things)), SIZE)
    return images


def recoloured(things):
    colors = list(PALETTE)
    other = colors[(colors.index(things[0].color) + 3) % len(colors)]
    return (dataclasses.replace(things[0], color=other), *things[1:])


def blurred(images):
    return ndimage.gaussian_filter(images, (0, 0.6, 0.6, 0))


def noisy(images):
    noise = np.random.default_rng(0).normal(0, 4, images.shape)
    return np.clip(images + noise, 0, 255)


@pytest.mark.parametrize("name", SPACES)
def test_real_pictures_are_as_near_as_the_distance_of_real_ones_beside_them_says(name, real):
    found = measure(name, real, real.images)
    assert (found.frechet, found.kid) == (found.real_frechet, found.real_kid)
    assert (found.n, found.dim, found.digest) == (N, SPACES[name].dim, SPACES[name].digest)
    assert abs(found.kid) < 0.05


@pytest.mark.parametrize(
    "spoil",
    [blurred, noisy, lambda x: x[np.arange(N) % 20], lambda x: np.roll(x, 4, axis=2)],
    ids=["blur", "noise", "collapse", "displacement"],
)
@pytest.mark.parametrize("name", SPACES)
def test_both_spaces_see_blur_noise_collapse_and_displacement(name, spoil, real):
    found = measure(name, real, spoil(real.images))
    assert found.frechet > 1.5 * found.real_frechet
    assert found.kid > abs(found.real_kid)


@pytest.mark.parametrize("change", [recoloured, lambda t: t[1:]], ids=["colour", "missing"])
def test_attributes_see_a_wrong_object_in_every_tenth_picture(change, real):
    found = measure("attributes", real, redrawn(real, change))
    assert found.frechet > 1.3 * found.real_frechet
    assert found.kid > found.real_kid


def test_random_convolutions_hardly_see_a_wrong_colour_which_is_why_there_are_two_spaces(real):
    found = measure("random-conv", real, redrawn(real, recoloured))
    assert found.frechet == pytest.approx(found.real_frechet, rel=0.1)


def test_frechet_is_its_formula():
    drawn = np.random.default_rng(1)
    a, b = drawn.normal(size=(50, 4)), drawn.normal(0.5, 2, size=(60, 4))
    root = linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    apart = ((a.mean(0) - b.mean(0)) ** 2).sum()
    wanted = apart + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    assert frechet(torch.tensor(a), torch.tensor(b)) == pytest.approx(wanted)


def test_kid_is_its_formula_and_leaves_the_random_state_alone():
    drawn = np.random.default_rng(1)
    a, b = drawn.normal(size=(40, 4)), drawn.normal(0.5, 2, size=(40, 4))

    def kernel(x, y):
        return (x @ y.T / 4 + 1) ** 3

    def off_diagonal_mean(k):
        return (k.sum() - np.trace(k)) / (40 * 39)

    same = off_diagonal_mean(kernel(a, a)) + off_diagonal_mean(kernel(b, b))
    before = torch.random.get_rng_state()
    found = kid(torch.tensor(a), torch.tensor(b))
    assert found == pytest.approx(same - 2 * kernel(a, b).mean())
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.slow
def test_frechet_between_real_sets_falls_with_their_number_and_kid_does_not(real):
    few = distance("random-conv", real_samples(260, SIZE))
    many = distance("random-conv", real_samples(780, SIZE))
    assert many.frechet < 0.6 * few.frechet
    assert abs(many.kid) < 0.05 and abs(few.kid) < 0.05


def test_too_few_pictures_are_refused():
    with pytest.raises(WalkbenchError, match=r"100 pictures are too few .* draw 256 or more"):
        distances(real_samples(100, SIZE))


def test_an_unknown_space_is_named():
    with pytest.raises(WalkbenchError, match="unknown feature space 'inception'"):
        feature_space("inception")


def test_a_space_whose_weights_changed_is_detected(monkeypatch):
    changed = RandomConv()
    changed.middle.weight[3, 2, 1, 1] += 2**-10
    monkeypatch.setattr(feature_spaces, "_random_conv", lambda: changed)
    feature_space.cache_clear()
    with pytest.raises(WalkbenchError, match=r"'random-conv' has digest \w+, not \w+"):
        feature_space("random-conv")


def test_a_space_whose_checker_changed_is_detected(monkeypatch):
    feature_space.cache_clear()
    monkeypatch.setattr("proxies.data.checker.FOREGROUND", 26.0)
    with pytest.raises(WalkbenchError, match="'attributes' has digest"):
        feature_space("attributes")


def test_no_space_is_wider_than_128():
    assert all(space.dim <= 128 for space in SPACES.values())
    few = real_samples(2, SIZE)
    assert all(space.features(few).shape == (2, space.dim) for space in SPACES.values())


@pytest.mark.parametrize("size", [32, 64])
def test_spaces_take_larger_pictures(size):
    few = real_samples(4, size)
    assert all(space.features(few).shape == (4, space.dim) for space in SPACES.values())
