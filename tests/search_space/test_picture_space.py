"""A space of whole pictures: its axes, its inverse, and what is wrong with a bad one."""

import pickle
import random

import pytest

from search_space.errors import WalkbenchError
from search_space.load_space import load_space, shipped_picture_spaces
from search_space.picture_space import PictureSpace
from search_space.presets import all_pictures, named_spec
from search_space.sample import RandomValues
from search_space.space import FixedValues, OutsideSpace, SearchSpace

TEXT = """
name = "small"
[picture]
steps = [4, 8]
bits = [16, 6]
[unet]
space = "pocket"
[unet.fix]
"channels.0" = 256
[decoder]
designs = ["snapgen-decoder", "sd-decoder"]
"""
SPACE = PictureSpace.from_toml(TEXT)


def test_every_picture_comes_back_from_its_parameters() -> None:
    source = random.Random(0)
    for _ in range(20):
        trial = RandomValues(source)
        picture = SPACE.suggest(trial)
        assert SPACE.suggest(FixedValues(SPACE.params_of(picture))) == picture
        assert picture in SPACE and SPACE.params_of(picture) == trial.params


def test_axes_of_the_parts_stand_behind_their_names() -> None:
    names = [axis.name for axis, _ in SPACE.axes]
    assert names[0].startswith("unet.") and names[-3:] == ["decoder", "steps", "bits"]
    assert SPACE.size() == SearchSpace.load("pocket").fix({"channels.0": 256}).size() * 8


def test_a_decoder_is_fitted_to_the_latents_of_the_unet() -> None:
    picture = SPACE.suggest(FixedValues({**SPACE.params_of(SPACE.base), "decoder": "sd-decoder"}))
    assert picture.decoder.latent_size == picture.unet.latent_size == 128


def test_fixing_an_axis_narrows_it() -> None:
    fixed = SPACE.fix({"steps": 8, "decoder": "sd-decoder", "unet.ff_ratio": 3.0})
    assert fixed.size() == SPACE.size() // 8 and fixed.base.steps == 8
    with pytest.raises(WalkbenchError, match="axis 'steps': 5 is outside 4, 8"):
        SPACE.fix({"steps": 5})
    with pytest.raises(WalkbenchError, match="unknown axis 'step'; did you mean 'steps'"):
        SPACE.fix({"step": 4})
    with pytest.raises(WalkbenchError, match="unknown axis 'ff_rat'; did you mean 'ff_ratio'"):
        SPACE.fix({"unet.ff_rat": 3.0})


def test_its_digest_changes_with_content_and_not_with_the_name() -> None:
    assert PictureSpace.from_toml(TEXT.replace("small", "other")).digest() == SPACE.digest()
    assert PictureSpace.from_toml(TEXT.replace("[4, 8]", "[4, 9]")).digest() != SPACE.digest()
    assert pickle.loads(pickle.dumps(SPACE.base)) == SPACE.base


def test_what_lies_outside_says_why() -> None:
    inside = SPACE.base
    with pytest.raises(OutsideSpace, match="steps is 3, allowed: 4, 8"):
        SPACE.params_of(type(inside)(inside.unet, inside.decoder, 3, texts=inside.texts))
    with pytest.raises(OutsideSpace, match="other text encoders"):
        SPACE.params_of(type(inside)(inside.unet, inside.decoder, 4))
    with pytest.raises(OutsideSpace, match="holds pictures"):
        SPACE.params_of(named_spec("sd15"))
    assert named_spec("sd15") not in SPACE


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = [4, 8]", "steps = [0]", "axis 'steps': 0 is below 1"),
        ("bits = [16, 6]", "bits = [5]", "axis 'bits': 5 is not one of 16, 8, 6, 4, 3"),
        ("steps = [4, 8]", "stops = [4]", "has no key 'stops'"),
        ("[picture]", "[picture]\ntext_encoders = ['clip-s']", "unknown text encoder 'clip-s'"),
        ('space = "pocket"', 'spec = "pocket"', r"\[unet\] needs either space or designs"),
        ('designs = ["snapgen-decoder"', 'designs = ["sd3-decoder"', "16×128×128, the UNet gives"),
        ('name = "small"', "[study]", "no table 'study'"),
    ],
)
def test_a_bad_space_says_what_is_allowed(old: str, new: str, message: str) -> None:
    with pytest.raises(WalkbenchError, match=message):
        PictureSpace.from_toml(TEXT.replace(old, new))


@pytest.mark.parametrize("name", shipped_picture_spaces())
def test_a_shipped_space_holds_the_named_pictures(name: str) -> None:
    space = load_space(name)
    for picture in all_pictures().values():
        assert picture in space


def test_loading_knows_both_sorts_of_spaces(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    assert isinstance(load_space(path), PictureSpace)
    assert isinstance(load_space("pocket"), SearchSpace)
    with pytest.raises(WalkbenchError, match="unknown space 'pictur'; did you mean 'picture'"):
        load_space("pictur")
    with pytest.raises(WalkbenchError, match=r"missing\.toml: No such file"):
        load_space(tmp_path / "missing.toml")
