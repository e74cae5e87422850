import dataclasses
import json

import pytest

from search_space.errors import WalkbenchError
from studies.proxy_validation.baselines import BASELINES
from studies.proxy_validation.plan import keep_plan
from studies.proxy_validation.reuse import take_long_runs
from studies.proxy_validation.runs import RUNS, append_result, results_of, train
from tests.studies.proxy_validation.made_up import made_baselines, made_results, small_plan


@pytest.fixture
def first(tmp_path):
    """A finished study with runs of the walk, and its plan."""
    plan, folder = small_plan(designs=4, seeds=2, walk="M"), tmp_path / "first"
    keep_plan(plan, folder)
    for result in made_results(plan, 0.01, 0.01):
        append_result(folder / RUNS, result)
    (folder / BASELINES).write_text(json.dumps(made_baselines(plan)))
    return plan, folder


@pytest.mark.slow
def test_only_the_short_runs_are_left_to_train(first, tmp_path):
    plan, folder = first
    other = small_plan(designs=4, seeds=2, walk="M", short_latent=12)
    second = tmp_path / "second"
    assert take_long_runs(other, second, folder) == 8 + 10 * 2
    keep_plan(other, second)
    taken = results_of(other, second)
    assert taken == [result for result in results_of(plan, folder) if result.run.kind != "short"]
    assert (second / BASELINES).read_bytes() == (folder / BASELINES).read_bytes()
    assert take_long_runs(other, second, folder) == 0
    train(other, second)
    shorts = [result for result in results_of(other, second) if result.run.kind == "short"]
    assert {(r.score.fidelity.latent, r.score.fidelity.batch) for r in shorts} == {(12, 2)}
    assert len(shorts) == 8


def test_fewer_seeds_take_fewer_runs(first, tmp_path):
    plan, folder = first
    fewer = dataclasses.replace(plan, seeds=1, short_batch=1)
    assert take_long_runs(fewer, tmp_path / "second", folder) == 4 + 10


def test_runs_of_another_study_are_refused_by_what_differs(first, tmp_path):
    plan, folder = first
    with pytest.raises(WalkbenchError, match="long differs: 10 there, 20 here"):
        take_long_runs(dataclasses.replace(plan, long=20), tmp_path / "second", folder)
    assert not (tmp_path / "second").exists()
    with pytest.raises(WalkbenchError, match="holds no validation study"):
        take_long_runs(plan, tmp_path / "second", tmp_path)
