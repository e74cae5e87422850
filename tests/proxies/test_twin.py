import dataclasses
import itertools

import pytest
import torch

from proxies.twin import TwinError, twin
from search_space.modules.network import example_inputs
from search_space.presets import FAMILIES, all_named, named_spec, walk_specs
from search_space.spec import Mid, Path, Site, Stage, UNetSpec
from search_space.unet import UNet

# Fields that hold a size; all others are switches, and a twin keeps them.
SIZES = {
    "channels",
    "heads",
    "head_dim",
    "kv_heads",
    "time_width",
    "width",
    "tokens",
    "input_width",
    "pooled_width",
    "size_width",
    "classes",
    "norm_groups",
    "in_channels",
    "out_channels",
    "latent_size",
}


def leaves(value, path=()):
    """Every field of a spec as (path, value)."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name), (*path, field.name))
    elif isinstance(value, tuple):
        yield (*path, "length"), len(value)
        for i, item in enumerate(value):
            yield from leaves(item, (*path, i))
    else:
        yield path, value


def changed(a, b):
    """Paths of the fields in which two specs differ, without a width that nothing has."""
    neutral = set()
    if not (a.conditions.size_ids and b.conditions.size_ids):
        neutral = {("conditions", "size_width")}
    a, b = dict(leaves(a)), dict(leaves(b))
    return {path for path in a.keys() | b.keys() if a.get(path) != b.get(path)} - neutral


@pytest.mark.parametrize("name", all_named())
@pytest.mark.parametrize("width", [16, 32])
def test_a_twin_keeps_every_switch_and_changes_sizes_only(name, width):
    spec = named_spec(name)
    assert {path[-1] for path in changed(spec, twin(spec, width))} <= SIZES


# A first stage of width 8 has one head, which all share: its heads are not told apart.
ONE_HEAD = {
    ("sdxl", "thin"): {("stages", 0, "heads"), ("stages", 0, "kv_heads")},
    ("mqa", "early-condition"): {("stages", 0, "kv_heads")},
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("width", [8, 16])
def test_twins_of_walk_neighbours_differ_in_the_fields_in_which_the_steps_differ(family, width):
    steps = list(walk_specs(FAMILIES[family]).items())
    for (name_a, a), (name_b, b) in itertools.pairwise(steps):
        full, small = changed(a, b), changed(twin(a, width), twin(b, width))
        untold = ONE_HEAD.get((name_a, name_b), set()) if width == 8 else set()
        assert small ^ full == untold, (name_a, name_b)


@pytest.mark.thinned
@pytest.mark.parametrize("name", all_named())
def test_every_named_twin_builds_and_runs(name):
    spec = twin(named_spec(name))
    with torch.device("meta"):
        out = UNet(spec)(**example_inputs(spec, batch=2))
    assert out.shape == (2, 3, 24, 24)


@pytest.mark.parametrize("name", ["F/thin", "M/mqa", "snapgen-t2i", "sdxl"])
def test_a_twin_at_the_reference_width_keeps_channels_heads_and_groups(name):
    spec = named_spec(name)
    full = twin(spec, width=256, latent=spec.latent_size, channels=4, tokens=77)
    assert full == spec


def test_one_factor_for_all_keeps_the_order_of_widths_between_candidates():
    spec = named_spec("F/thin")
    first, *rest = spec.stages
    first = dataclasses.replace(first, channels=192)
    widths = [stage.channels for stage in twin(spec.replace(stages=(first, *rest))).stages]
    assert widths == [12, 32, 56]


def test_kv_heads_of_a_twin_keep_their_ratio():
    spec = named_spec("F/thin")
    first, *rest = spec.stages
    grouped = [dataclasses.replace(s, kv_heads=s.heads // 2) for s in rest]
    small = twin(spec.replace(stages=(first, *grouped)), width=32)
    assert [(s.heads, s.kv_heads) for s in small.stages] == [(4, 4), (8, 4), (14, 7)]


def test_expansions_that_no_group_count_divides_fall_back_to_fewer_groups():
    def edit(stage):
        return dataclasses.replace(stage, conv=dataclasses.replace(stage.conv, expansion=1.5))

    spec = named_spec("F/separable")
    spec = spec.replace(stages=tuple(map(edit, spec.stages)))
    assert twin(spec, width=16).norm_groups == 2
    assert twin(spec, width=12).norm_groups == 1  # 896 becomes 42 channels, 63 hidden


def five_stages() -> UNetSpec:
    path = Path((Site(),))
    stage = Stage(64, 1, 64, path, path, kv_heads=1)
    return UNetSpec((stage,) * 5, Mid(), time_width=64, latent_size=32)


@pytest.mark.parametrize(
    ("spec", "asked", "rule"),
    [
        ("F/thin", {"latent": 22}, "rule latent: 22 is not a multiple of 4"),
        (five_stages(), {"latent": 24}, "rule latent: 24 .* use 32"),
        ("F/thin", {"width": 0}, "rule width: 0"),
        (five_stages(), {"width": 8, "latent": 32}, r"rule channels: stages\[0\].* width of 16"),
    ],
)
def test_a_twin_that_cannot_be_built_names_its_rule(spec, asked, rule):
    spec = named_spec(spec) if isinstance(spec, str) else spec
    with pytest.raises(TwinError, match=rule):
        twin(spec, **asked)
