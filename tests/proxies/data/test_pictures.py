import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from proxies.data.entries import Skipped
from proxies.data.parts import UNKNOWN
from proxies.data.pictures import captioned_pictures
from proxies.recipe import Budget
from search_space.errors import WalkbenchError
from tests.proxies.data.files import fill, pack
from tests.proxies.small import RECIPE, made


def test_pictures_are_cropped_in_the_middle_and_scaled(tmp_path):
    fill(tmp_path, 60)
    tall = np.zeros((60, 24, 3), dtype=np.uint8)
    tall[18:42] = 200
    for name in ("a", "b", "c"):
        Image.fromarray(tall).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_text("tall")
    parts = captioned_pictures(tmp_path, 24)
    data = [parts.train, parts.validation]
    found = [d.images[d.captions.index("tall")] for d in data if "tall" in d.captions]
    assert (found[0] == 200).all()


def test_a_photograph_that_says_it_lies_on_its_side_is_put_upright(tmp_path):
    fill(tmp_path, 60)
    half = np.zeros((24, 24, 3), dtype=np.uint8)
    half[:, :12] = 200  # the left half is bright
    turned = Image.Exif()
    turned[0x0112] = 6  # shown rotated by 90 degrees clockwise: the top is bright
    Image.fromarray(half).save(tmp_path / "photo.png", exif=turned)
    (tmp_path / "photo.txt").write_text("bright top")
    parts = captioned_pictures(tmp_path, 24)
    data = [parts.train, parts.validation]
    found = [d.images[d.captions.index("bright top")] for d in data if "bright top" in d.captions]
    assert (found[0][:12] == 200).all() and (found[0][12:] == 0).all()


def spoil(folder):
    """Make eight of the pictures that :func:`fill` made useless, each in its own way."""
    (folder / "000.txt").unlink()
    (folder / "001.txt").write_text("  ...  ")
    (folder / "002.png").write_bytes(b"not a picture")
    (folder / "003.png").write_bytes((folder / "004.png").read_bytes()[:100])
    (folder / "005.txt").write_bytes(b"\xff\xfe\xff")
    for name, text in (("006", '{"title": "a cat"}'), ("007", "[1, 2"), ("008", '{"caption": 3}')):
        (folder / f"{name}.txt").unlink()
        (folder / f"{name}.json").write_text(text)
    return {
        "000.png": "no caption",
        "001.png": "empty caption",
        "002.png": "broken picture",
        "003.png": "broken picture",
        "005.png": "caption cannot be read",
        "006.png": "no caption in its .json",
        "007.png": "caption cannot be read",
        "008.png": "empty caption",
    }


def test_what_cannot_be_used_is_skipped_and_listed(tmp_path):
    fill(tmp_path, 60)
    reasons = spoil(tmp_path)
    parts = captioned_pictures(tmp_path, 24)
    assert parts.skipped == tuple(Skipped(*pair) for pair in reasons.items())
    assert len(parts.train) + len(parts.validation) == 52


def test_links_to_nothing_and_pictures_too_large_to_read_are_listed_as_such(tmp_path, monkeypatch):
    fill(tmp_path, 30)
    (tmp_path / "030.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "030.txt").write_text("a picture that went away")
    Image.new("RGB", (300, 200)).save(tmp_path / "031.png")
    (tmp_path / "031.txt").write_text("a large picture")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    parts = captioned_pictures(tmp_path, 24)
    assert {one.path: one.reason for one in parts.skipped} == {
        "030.jpg": "no file: a link to nothing",
        "031.png": "more than 40,000 pixels",
    }


def test_what_cannot_be_used_in_a_tar_is_skipped_and_listed_alike(tmp_path):
    folder = fill(tmp_path / "pictures", 60)
    reasons = spoil(folder)
    tar = pack(folder, tmp_path / "shard-0.tar")
    parts = captioned_pictures(tar, 24)
    assert {s.path.removeprefix("shard-0.tar/"): s.reason for s in parts.skipped} == reasons
    assert len(parts.train) + len(parts.validation) == 52


def test_the_same_pictures_in_a_folder_and_in_tars_are_the_same_data(tmp_path):
    folder = fill(tmp_path / "pictures", 60)
    (folder / "010.txt").unlink()
    (folder / "010.json").write_text(json.dumps({"caption": "Picture, number 1!", "url": "x"}))
    first, last = tmp_path / "s-000009.tar", tmp_path / "s-000010.tar"
    pack(folder, first, lambda name: name < "030")
    pack(folder, last, lambda name: name >= "030")
    plain = captioned_pictures(folder, 24)
    ways = (tmp_path / "s-{000009..000010}.tar", tmp_path / "s-*.tar", tmp_path)
    for images in ways[:2]:
        found = captioned_pictures(images, 24)
        assert (found.train.name, found.skipped) == (plain.train.name, ())
        assert (found.train.images == plain.train.images).all()
        assert found.validation.captions == plain.validation.captions
    (tmp_path / "tars").mkdir()
    for tar in (first, last):
        tar.rename(tmp_path / "tars" / tar.name)
    assert captioned_pictures(tmp_path / "tars", 24).train.name == plain.train.name


def test_a_tar_that_ends_too_early_gives_what_lies_before_its_end(tmp_path):
    folder = fill(tmp_path / "pictures", 80)
    whole, half = pack(folder, tmp_path / "whole.tar"), tmp_path / "half.tar"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    parts = captioned_pictures(half, 24)
    used = len(parts.train) + len(parts.validation)
    assert 50 <= used <= 61
    assert parts.skipped[0].path == "half.tar"
    assert "broken or compressed tar, after " in parts.skipped[0].reason


def test_tars_that_are_none_are_listed(tmp_path):
    folder = fill(tmp_path, 60)
    (folder / "no.tar").write_bytes(b"nothing of the kind" * 100)
    with tarfile.open(folder / "zipped.tar", "w:gz") as archive:
        archive.add(folder / "001.png", "001.png")
    parts = captioned_pictures(folder, 24)
    assert [s.path for s in parts.skipped] == ["no.tar", "zipped.tar"]
    assert all("broken or compressed tar, from its beg" in s.reason for s in parts.skipped)
    assert len(parts.train) + len(parts.validation) == 60


def test_a_key_ends_at_the_first_dot_as_in_webdataset(tmp_path):
    folder = fill(tmp_path / "pictures", 60)
    tar = pack(folder, tmp_path / "a.tar")
    with tarfile.open(tar, "a") as archive:
        content = (folder / "001.png").read_bytes()
        info = tarfile.TarInfo("001.seg.png")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    parts = captioned_pictures(tar, 24)
    assert [s.path for s in parts.skipped] == ["a.tar/001.seg.png"]
    assert len(parts.train) + len(parts.validation) == 60


def test_adding_pictures_moves_none_between_the_parts(tmp_path):
    fill(tmp_path, 60)
    before = captioned_pictures(tmp_path, 24)
    fill(tmp_path, 40, start=60)
    after = captioned_pictures(tmp_path, 24)
    held = {image.tobytes() for image in after.validation.images}
    assert {image.tobytes() for image in before.validation.images} <= held
    assert before.train.name != after.train.name


def test_the_vocabulary_is_that_of_the_training_part(tmp_path):
    fill(tmp_path, 60)
    plain = captioned_pictures(tmp_path, 24)
    assert plain.train.vocabulary == 2 + len({"picture", "number", "0", "1", "2"})
    assert (plain.validation.tokens != UNKNOWN).all()
    for text in tmp_path.glob("*.txt"):
        text.write_text(f"word{text.stem}")
    assert (captioned_pictures(tmp_path, 24).validation.tokens[:, 0] == UNKNOWN).all()


def test_a_twin_trains_on_a_tar(tmp_path):
    tar = pack(fill(tmp_path / "pictures", 60), tmp_path / "a.tar")
    parts = captioned_pictures(tar, 24)
    trainer = made(data=(parts.train, parts.validation))
    trainer.advance(Budget(steps=3))
    score = trainer.score()
    assert score.ok
    assert score.fidelity.data == parts.train.name
    assert score.n == min(len(parts.validation), RECIPE.validation_images)


def test_pictures_of_another_size_than_the_twin_are_named(tmp_path):
    fill(tmp_path, 60)
    parts = captioned_pictures(tmp_path, 32)
    with pytest.raises(WalkbenchError, match="are 32 wide and the twin 24; use a latent of 32"):
        made(data=(parts.train, parts.validation))


def test_a_folder_without_enough_pictures_says_what_is_missing(tmp_path):
    fill(tmp_path, 2)
    (tmp_path / "000.txt").unlink()
    with pytest.raises(WalkbenchError, match=r"2 of each are needed.*000.png: no caption"):
        captioned_pictures(tmp_path, 24)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("nowhere", "is not a folder, a .tar file or a pattern"),
        ("s-{000000..000002}.tar", r"s-000001.tar' does not exist"),
        ("s-{000002..000001}.tar", "no shards or too many"),
        ("none-*.tar", "a pattern that matches any"),
    ],
)
def test_pictures_that_are_not_there_are_named(tmp_path, images, message):
    (tmp_path / "s-000000.tar").write_bytes(b"")
    with pytest.raises(WalkbenchError, match=message):
        captioned_pictures(tmp_path / images, 24)
