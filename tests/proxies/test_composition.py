import numpy as np
import pytest

from proxies.composition import composition, total_variation
from proxies.data.dataset import examples, shapes
from proxies.data.prompts import TASKS
from proxies.data.scene_data import scene_examples, scene_pictures
from proxies.data.shapes import FILLS, Scene, Thing
from proxies.recipe import Budget, Recipe
from proxies.samples import Samples, draw_samples, grid, save_grid
from tests.proxies.small import made

N = 150
FEW = Recipe(batch=2, train_images=8, validation_images=8)
DATA = tuple(scene_pictures("scenes", split, 8, 32) for split in ("train", "validation"))


@pytest.fixture(scope="module")
def real():
    return Samples(shapes("validation", N, 24).images, examples("validation", N, 24))


@pytest.mark.parametrize("split", ["validation", "pairs", "counts"])
def test_real_scenes_fulfil_every_prompt_with_fills_and_held_out_combinations(split):
    images = scene_pictures("scenes", split, 60, 32).images
    asked, fills = scene_examples("scenes", split, 60, 32), FILLS
    scores = composition(Samples(images, asked, split, fills))
    assert scores.strict == scores.loose == scores.color == scores.fill == 1.0
    assert set(scores.by_task) == {example.prompt.tag for example in asked}
    solid = composition(Samples(images, asked, split))  # a reader that knows no fills
    assert solid.fill is not None and solid.fill < 0.6


def test_real_pictures_fulfil_everything(real):
    scores = composition(real)
    assert (scores.strict, scores.loose, scores.shapes, scores.count) == (1, 1, 1, 1)
    assert (scores.color, scores.position, scores.variation, scores.n) == (1, 1, 0, N)
    assert scores.by_task == dict.fromkeys(TASKS, 1.0)
    assert scores.residual < 0.1


def test_blank_pictures_fulfil_nothing(real):
    scores = composition(Samples(np.full_like(real.images, 20), real.examples))
    assert (scores.strict, scores.loose, scores.variation) == (0, 0, 1)


def test_the_same_picture_again_and_again_is_a_dropped_mode(real):
    one = np.repeat(real.images[:1], N, axis=0)
    assert composition(Samples(one, real.examples)).variation > 0.9


def test_blur_shows_in_the_residual_before_it_shows_in_the_verdicts(real):
    wide = real.images.astype(int)
    blurred = ((3 * wide + np.roll(wide, 1, axis=2)) // 4).astype(np.uint8)
    scores = composition(Samples(blurred, real.examples))
    assert scores.residual > 10 * composition(real).residual
    assert scores.loose > 0.5


def test_total_variation_is_half_the_summed_difference():
    def scene(*kinds):
        return Scene((0, 0, 0), tuple(Thing(s, c, 5.0, 5.0, 2.0) for s, c in kinds))

    red, blue = ("circle", "red"), ("circle", "blue")
    assert total_variation([scene(red, blue)], [scene(red), scene(red)]) == 0.5
    assert total_variation([scene(red)], [scene(blue)]) == 1


def test_samples_are_the_same_again_and_leave_the_trainer_as_it_was():
    trainer = made()
    trainer.advance(Budget(steps=2))
    weights = trainer.flat.weights[0].detach().clone()
    first, second = (draw_samples(trainer, 5, steps=3) for _ in range(2))
    assert (first.images == second.images).all()
    assert first.images.shape == (5, 24, 24, 3)
    assert (trainer.flat.weights[0] == weights).all()


def test_more_samples_begin_with_the_same_pictures():
    trainer = made()
    told = []
    many = draw_samples(trainer, 40, steps=1, progress=told.append)
    few = draw_samples(trainer, 32, steps=1)
    assert (many.images[:32] == few.images).all() and many.examples[:32] == few.examples
    assert told == [32, 40]


def test_a_grid_has_every_picture_in_its_place(real, tmp_path):
    out = grid(real.images[:5], columns=2, gap=1)
    assert out.shape == (76, 51, 3)
    assert (out[26:50, 26:50] == real.images[3]).all()
    save_grid(tmp_path / "grid.png", real.images[:5])
    assert (tmp_path / "grid.png").stat().st_size > 500


def test_a_twin_of_scenes_draws_for_held_out_prompts_and_is_read_with_fills():
    trainer = made(data=DATA, recipe=FEW, latent=32, width=8)
    trainer.advance(Budget(steps=1))
    samples = draw_samples(trainer, 4, "counts", steps=2)
    assert samples.fills == FILLS and samples.images.shape == (4, 32, 32, 3)
    assert [example.prompt.tag for example in samples.examples] == ["count"] * 4
    assert composition(samples).n == 4
