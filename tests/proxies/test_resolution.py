import dataclasses
import itertools
from functools import cache

import pytest
import torch

from proxies.resolution import latents_for, resolution_axes
from proxies.twin import twin
from search_space.modules import build
from search_space.plan import plan
from search_space.presets import FAMILIES, named_spec, walk_specs

NEED = {
    ("thin", "no-high-res-sa"): ("self-attention",),
    ("mqa", "early-condition"): ("first stage",),
    ("early-condition", "qk-norm-rope"): ("positions",),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_walk_needs_a_second_resolution_where_tokens_matter_and_nowhere_else(family):
    steps = list(walk_specs(FAMILIES[family]).items())
    for (name_a, a), (name_b, b) in itertools.pairwise(steps):
        wanted = NEED.get((name_a, name_b), ())
        assert resolution_axes(a, b) == resolution_axes(b, a) == wanted, (name_a, name_b)
        assert latents_for(a, b) == ((24, 48) if wanted else (24,))


def test_a_design_needs_none_against_itself():
    assert resolution_axes(named_spec("sdxl"), named_spec("sdxl")) == ()


def test_self_attention_at_low_resolution_is_no_reason():
    spec = named_spec("F/no-high-res-sa")
    *high, lowest = spec.stages
    path = dataclasses.replace(lowest.down, self_attention=False)
    other = spec.replace(stages=(*high, dataclasses.replace(lowest, down=path)))
    assert resolution_axes(spec, other) == ()


def test_one_stage_less_is_a_reason():
    assert resolution_axes(named_spec("sd15"), named_spec("sdxl"))[-1] == "stages"


def test_both_resolutions_have_the_same_weights():
    spec = named_spec("F/thin")
    assert parameters(twin(spec, latent=48)) == parameters(twin(spec, latent=24))


@cache
def shapes_of(block):
    with torch.device("meta"):
        return {name: tuple(p.shape) for name, p in build(block).named_parameters()}


def parameters(spec):
    """Parameter shapes of ``UNet(spec)`` by name, each distinct block built once."""
    return {
        f"{path}.{name}": shape
        for path, step in plan(spec).steps()
        for name, shape in shapes_of(step.block).items()
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_twins_of_walk_neighbours_gain_lose_and_resize_the_same_parameters(family):
    for (name, a), (other, b) in itertools.pairwise(walk_specs(FAMILIES[family]).items()):
        full = change(parameters(a), parameters(b))
        assert change(parameters(twin(a)), parameters(twin(b))) == full, (name, other)
        assert any(full.values()), (name, other)


def change(a, b):
    """What happens to the parameters on the way from a to b, by name."""
    return {
        "gone": a.keys() - b.keys(),
        "new": b.keys() - a.keys(),
        "resized": {name for name in a.keys() & b.keys() if a[name] != b[name]},
    }
