"""The space: every walk step is in it, and params and specs lead to one another."""

import pickle
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.cost import cost
from search_space.errors import WalkbenchError
from search_space.presets import FAMILIES, all_named, named_spec, walk_specs
from search_space.sample import RandomValues, draw, draw_distinct
from search_space.space import FixedValues, OutsideSpace, SearchSpace, shipped_spaces
from search_space.spec import UNetSpec

SNAPGEN = SearchSpace.load("snapgen")

TINY = """
name = "tiny"
base = "F/thin"
[axes]
"channels.0" = { low = 128, high = 256, step = 64 }
"depth.1.down" = { low = 0, high = 2 }
"self_attention.1.down" = [false, true]
"conv" = ["dense", "separable"]
"biases" = ["none", "depthwise"]
"""


@pytest.mark.parametrize("family", ["M", "F"])
def test_the_shipped_space_contains_every_walk_step(family: str) -> None:
    for step, spec in walk_specs(FAMILIES[family]).items():
        params = SNAPGEN.params_of(spec)
        assert SNAPGEN.suggest(FixedValues(params)) == spec, step


@pytest.mark.parametrize("name", ["snapgen-imagenet", "snapgen-t2i"])
def test_the_shipped_space_contains_both_snapgen_models(name: str) -> None:
    assert named_spec(name) in SNAPGEN


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_params_of_a_suggested_spec_are_the_suggested_params(seed: int) -> None:
    trial = RandomValues(random.Random(seed))
    spec = SNAPGEN.suggest(trial)
    assert SNAPGEN.params_of(spec) == trial.params


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_suggested_spec_survives_json_and_can_be_priced(seed: int) -> None:
    (spec,) = draw(SNAPGEN, 1, seed)
    assert UNetSpec.from_json(spec.to_json()) == spec
    assert cost(spec).params > 0


def test_distinct_params_are_distinct_networks() -> None:
    specs, params = set(), set()
    for seed in range(300):
        trial = RandomValues(random.Random(seed))
        specs.add(SearchSpace.from_toml(TINY).suggest(trial).digest())
        params.add(tuple(sorted(trial.params.items())))
    assert len(specs) == len(params)


def test_size_counts_each_distinct_design_once() -> None:
    space = SearchSpace.from_toml(TINY)
    found = set()
    for seed in range(3000):
        found.add(space.suggest(RandomValues(random.Random(seed))).digest())
    # 3 widths × (depth 0, or 2 depths × 2 attentions) × (dense, or separable × 2 biases)
    assert space.size() == 3 * (1 + 2 * 2) * (1 + 2) == len(found)


def test_size_of_the_shipped_space_is_beyond_enumeration() -> None:
    assert SNAPGEN.size() > 10**15


def test_fixing_an_axis_shrinks_the_space_and_keeps_its_base() -> None:
    fixed = SNAPGEN.fix({"conditioning": "clip-l", "depth.2.down": {"low": 2, "high": 4}})
    assert fixed.size() < SNAPGEN.size() / 3
    assert fixed.digest() != SNAPGEN.digest()
    for seed in range(20):
        (spec,) = draw(fixed, 1, seed)
        assert spec.context.width == 768
        assert 2 <= spec.stages[2].down.sites[0].depth <= 4
    with pytest.raises(OutsideSpace, match="conditioning is sdxl, allowed: clip-l"):
        fixed.params_of(named_spec("sdxl"))


def test_the_digest_ignores_the_name_and_sees_bounds() -> None:
    space = SearchSpace.from_toml(TINY)
    renamed = SearchSpace.from_toml(TINY.replace('"tiny"', '"other"'))
    wider = SearchSpace.from_toml(TINY.replace("high = 256", "high = 320"))
    assert space.digest() == renamed.digest() != wider.digest()


@pytest.mark.parametrize("name", sorted(set(all_named()) & {"sd15", "sd21", "dreamlite"}))
def test_a_design_outside_says_why(name: str) -> None:
    with pytest.raises(OutsideSpace, match=r"outside space 'snapgen'|stages"):
        SNAPGEN.params_of(named_spec(name))


def test_a_field_that_no_axis_moves_is_named() -> None:
    spec = named_spec("F/mqa").replace(activation="relu")
    with pytest.raises(OutsideSpace, match="activation is relu, and no axis moves it from silu"):
        SNAPGEN.params_of(spec)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("low = 128", "low = 300"), "low 300 is above high 256"),
        (("step = 64", "step = 60"), "high 256 is not low 128 plus a multiple of step 60"),
        (("step = 64", "step = 0"), "step is 0; a positive number"),
        (('"channels.0"', '"chanels.0"'), "did you mean 'channels'"),
        (('"channels.0"', '"channels.7"'), "stage '7' is not one of 0 … 2"),
        (('"channels.0"', '"channels.0.down"'), "the form is channels"),
        (('"depth.1.down"', '"depth.1.sideways"'), "'sideways' is not down or up"),
        (('["dense", "separable"]', '["dense", "deformable"]'), "'deformable' is not one of dense"),
        (('["dense", "separable"]', "[]"), "has no choices"),
        (('["dense", "separable"]', '["dense", "dense"]'), "lists a choice twice"),
        (('"conv" =', '"conv.1" = ["dense"]\n"conv" ='), "move the same thing"),
        (('base = "F/thin"', 'base = "F/thim"'), "did you mean 'F/thin'"),
        (("[axes]", "[axis]"), "has no table 'axis'"),
        (("[axes]", "[axes"), "is not TOML"),
        (("[false, true]", "[0, 1]"), "is not one of False, True"),
        (("[false, true]", "true"), "a list of choices or"),
    ],
)
def test_a_broken_space_says_what_is_wrong(change: tuple[str, str], message: str) -> None:
    assert change[0] in TINY
    with pytest.raises(WalkbenchError, match=message):
        SearchSpace.from_toml(TINY.replace(*change))


def test_an_unknown_space_names_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(WalkbenchError, match="did you mean 'snapgen'"):
        SearchSpace.load("snapgem")
    with pytest.raises(WalkbenchError, match="No such file"):
        SearchSpace.load(tmp_path / "missing.toml")


def test_every_shipped_space_loads() -> None:
    for name in shipped_spaces():
        assert SearchSpace.load(name).size() > 1


def test_a_sample_leaves_out_what_it_is_told_to():
    space = SearchSpace.load("pocket")
    first, second, third = draw_distinct(space, 3, seed=1)
    assert draw_distinct(space, 2, seed=1, without=[second]) == [first, third]


@pytest.mark.parametrize("name", shipped_spaces())
def test_a_pickled_space_is_the_same_space(name):
    space = SearchSpace.load(name)
    space = space.fix({"kv_heads.0" if name == "snapgen" else "kv_heads": 1})
    again = pickle.loads(pickle.dumps(space))
    assert again.digest() == space.digest() and again.name == space.name
    assert draw(again, 3, seed=0) == draw(space, 3, seed=0)
