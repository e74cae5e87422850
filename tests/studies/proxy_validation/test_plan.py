import dataclasses
import json
import shutil
from collections import Counter

import pytest

from proxies.compute import Compute
from proxies.data.source import DataSource
from proxies.recipe import Recipe
from search_space.errors import WalkbenchError
from search_space.presets import all_named
from studies.proxy_validation.plan import keep_plan, load_plan, make_plan
from tests.proxies.data.files import fill
from tests.studies.proxy_validation.made_up import small_plan


def test_every_latency_band_gives_as_many_designs():
    plan = make_plan("pocket", designs=10, strata=5, short=1, long=10)
    assert set(Counter(design.stratum for design in plan.designs).values()) == {2}
    slowest = {s: max(d.latency_ms for d in plan.designs if d.stratum == s) for s in range(5)}
    fastest = {s: min(d.latency_ms for d in plan.designs if d.stratum == s) for s in range(5)}
    assert all(slowest[s] <= fastest[s + 1] for s in range(4))


def test_no_named_design_is_sampled_and_none_twice():
    plan = make_plan("pocket", designs=20, short=1, long=10)
    specs = [design.spec for design in plan.designs]
    assert len(set(specs)) == 20
    assert not set(specs) & set(all_named().values())


def test_another_sample_seed_draws_other_designs():
    one, other = (make_plan("pocket", designs=8, short=1, long=10, sample_seed=s) for s in (0, 1))
    assert {d.spec for d in one.designs} != {d.spec for d in other.designs}


def test_a_plan_survives_its_file(tmp_path):
    plan = small_plan(designs=4, walk="M")
    keep_plan(plan, tmp_path)
    assert load_plan(tmp_path) == plan
    keep_plan(plan, tmp_path)  # the same again is welcome


@pytest.mark.parametrize("change", [{"long": 20}, {"seeds": 3}, {"designs": ()}, {"width": 16}])
def test_another_plan_in_the_same_folder_is_refused_by_name(tmp_path, change):
    plan = small_plan(designs=4)
    keep_plan(plan, tmp_path)
    with pytest.raises(WalkbenchError, match=f"{next(iter(change))} differs"):
        keep_plan(dataclasses.replace(plan, **change), tmp_path)


def test_a_damaged_plan_is_named(tmp_path):
    (tmp_path / "plan.json").write_text('{"format": 1}')
    with pytest.raises(WalkbenchError, match=r"plan\.json is not a plan"):
        load_plan(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"short": 5, "long": 49}, "--long 50"),
        ({"short": 5, "long": 50, "short_batch": 9}, r"11\.2% .* --long 57"),
        ({"short_batch": 0}, "batch is 0"),
        (
            {"short_latent": 10},
            "designs drawn have no twin: twin rule latent: 10 is not a multiple",
        ),
        ({"latent": 25}, "0 different designs with a twin, 4 are needed; 32 of 32 .* latent: 25"),
        ({"compute": Compute("cuda:99")}, "cuda"),
        ({"seeds": 1}, "seeds is 1"),
        ({"designs": 3}, "designs is 3"),
        ({"strata": 0}, "strata is 0"),
        ({"short": 0}, "short is 0"),
        ({"walk": "X"}, "unknown family of the walk 'X'"),
        ({"width": 1}, "have no twin: twin rule"),
    ],
)
def test_a_plan_that_validates_nothing_is_refused(options, message):
    with pytest.raises(WalkbenchError, match=message):
        make_plan("pocket", **{"designs": 4, "strata": 2, **options})


def test_a_short_run_may_see_smaller_pictures_and_counts_by_multiply_adds():
    sizes = {"designs": 4, "strata": 2, "width": 8, "recipe": Recipe(batch=8)}
    same = make_plan("pocket", short=4, long=40, **sizes)
    assert (same.short_side, same.short_recipe) == (24, same.recipe)
    assert same.compute_ratio == pytest.approx(0.1)
    fewer = make_plan("pocket", short=4, long=40, short_batch=4, **sizes)
    assert fewer.compute_ratio == pytest.approx(0.05)
    assert (fewer.short_recipe.batch, fewer.recipe.batch) == (4, 8)
    smaller = make_plan("pocket", short=8, long=40, short_latent=12, **sizes)
    # a quarter of the places; the time embedding costs the same, attention less than a quarter
    assert smaller.compute_ratio == pytest.approx(0.05, rel=0.05)
    assert [d.spec for d in smaller.designs] == [d.spec for d in same.designs]


def test_a_study_goes_on_when_its_pictures_moved_and_not_when_they_changed(tmp_path):
    def plan(pictures):
        recipe = Recipe(batch=2, train_images=16, validation_images=8)
        source = DataSource(images=str(pictures))
        sizes = {"designs": 4, "strata": 2, "short": 1, "long": 10, "width": 8}
        return make_plan("pocket", **sizes, recipe=recipe, data=source)

    pictures = fill(tmp_path / "pictures", 30)
    keep_plan(plan(pictures), tmp_path)
    assert load_plan(tmp_path) == plan(pictures)
    moved = shutil.copytree(pictures, tmp_path / "moved")
    keep_plan(plan(moved), tmp_path)
    more = fill(tmp_path / "more", 31)
    with pytest.raises(WalkbenchError, match=r"content differs: 'pictures.* there, 'pictures"):
        keep_plan(plan(more), tmp_path)


def test_a_plan_from_before_there_were_other_data_was_on_shapes(tmp_path):
    plan = small_plan(designs=4)
    data = json.loads(plan.to_json())
    del data["data"], data["content"]
    (tmp_path / "plan.json").write_text(json.dumps(data))
    assert load_plan(tmp_path) == plan
