import numpy as np
import pytest
from PIL import Image

from proxies.data.folder import UNKNOWN, Skipped, image_folder
from proxies.trainer import Budget, Trainer
from search_space.errors import WalkbenchError
from tests.proxies.small import RECIPE, small_spec


def fill(folder, count, start=0):
    rng = np.random.default_rng(start)
    for i in range(start, start + count):
        pixels = rng.integers(0, 256, size=(20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
        (folder / f"{i:03}.txt").write_text(f"Picture, number {i % 3}!", encoding="utf-8")


def test_pictures_are_cropped_in_the_middle_and_scaled(tmp_path):
    fill(tmp_path, 60)
    tall = np.zeros((60, 24, 3), dtype=np.uint8)
    tall[18:42] = 200
    for name in ("a", "b", "c"):
        Image.fromarray(tall).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_text("tall")
    folder = image_folder(tmp_path, 24)
    data = [folder.train, folder.validation]
    found = [d.images[d.captions.index("tall")] for d in data if "tall" in d.captions]
    assert (found[0] == 200).all()


def test_what_cannot_be_used_is_skipped_and_listed(tmp_path):
    fill(tmp_path, 60)
    (tmp_path / "000.txt").unlink()
    (tmp_path / "001.txt").write_text("  ...  ")
    (tmp_path / "002.png").write_bytes(b"not a picture")
    (tmp_path / "003.png").write_bytes((tmp_path / "004.png").read_bytes()[:100])
    (tmp_path / "005.txt").write_bytes(b"\xff\xfe\xff")
    folder = image_folder(tmp_path, 24)
    assert folder.skipped == (
        Skipped("000.png", "no caption"),
        Skipped("001.png", "empty caption"),
        Skipped("002.png", "broken picture"),
        Skipped("003.png", "broken picture"),
        Skipped("005.png", "caption cannot be read"),
    )
    assert len(folder.train) + len(folder.validation) == 55


def test_adding_pictures_moves_none_between_the_parts(tmp_path):
    fill(tmp_path, 60)
    before = image_folder(tmp_path, 24)
    fill(tmp_path, 40, start=60)
    after = image_folder(tmp_path, 24)
    held = {image.tobytes() for image in after.validation.images}
    assert {image.tobytes() for image in before.validation.images} <= held
    assert before.train.name != after.train.name


def test_the_vocabulary_is_that_of_the_training_part(tmp_path):
    fill(tmp_path, 60)
    plain = image_folder(tmp_path, 24)
    assert plain.train.vocabulary == 2 + len({"picture", "number", "0", "1", "2"})
    assert (plain.validation.tokens != UNKNOWN).all()
    for text in tmp_path.glob("*.txt"):
        text.write_text(f"word{text.stem}")
    assert (image_folder(tmp_path, 24).validation.tokens[:, 0] == UNKNOWN).all()


def test_a_twin_trains_on_a_folder(tmp_path):
    fill(tmp_path, 60)
    folder = image_folder(tmp_path, 24)
    trainer = Trainer(
        small_spec(), recipe=RECIPE, data=folder.train, validation_data=folder.validation
    )
    trainer.train(Budget(steps=3))
    score = trainer.score()
    assert score.ok
    assert score.fidelity.data == folder.train.name
    assert score.n == min(len(folder.validation), RECIPE.validation_images)


def test_pictures_of_another_size_than_the_twin_are_named(tmp_path):
    fill(tmp_path, 60)
    folder = image_folder(tmp_path, 32)
    with pytest.raises(WalkbenchError, match="32 pixels wide, the twin 24"):
        Trainer(small_spec(), data=folder.train, validation_data=folder.validation)


def test_a_folder_without_enough_pictures_says_what_is_missing(tmp_path):
    fill(tmp_path, 2)
    (tmp_path / "000.txt").unlink()
    with pytest.raises(WalkbenchError, match=r"2 of each are needed.*000.png: no caption"):
        image_folder(tmp_path, 24)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(WalkbenchError, match="is not a folder"):
        image_folder(tmp_path / "nowhere", 24)
