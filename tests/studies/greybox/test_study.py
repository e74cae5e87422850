"""`sampler = "greybox"` in a study's config, from the first trial to a resumed one."""

import pytest

from search_space.cost import cost
from search_space.enumerate import enumerate_designs
from search_space.errors import WalkbenchError
from studies.reading import study_data
from studies.runner import run_study
from tests.studies.fakes import FakeLatency, FakeProxy, make_config


def run(folder, *stops, name="small", proxy=None, **changes):
    config = make_config(folder, name=name, sampler="greybox", **changes)
    for stop in stops:
        found = run_study(
            config,
            trials=stop,
            storage=str(folder / f"{name}.db"),
            latency=FakeLatency(),
            proxy=proxy or FakeProxy(),
        )
    return study_data(found.study).trials


def test_no_trial_is_over_budget_and_named_designs_come_first(tmp_path):
    trials = run(tmp_path, 8, budgets="latency_ms = 250\nparams = 385e6")
    assert trials[0].name == "F/mqa"
    assert [trial.state for trial in trials[1:]] == ["COMPLETE"] * 7
    assert len({trial.digest for trial in trials}) == 8


@pytest.mark.slow
def test_a_study_that_was_interrupted_suggests_the_same_designs(tmp_path):
    whole = run(tmp_path, 12, name="whole")
    resumed = run(tmp_path, 11, 12, name="resumed")
    assert [t.digest for t in whole] == [t.digest for t in resumed]


def test_designs_that_diverge_do_not_stop_it(tmp_path):
    digests = [trial.digest for trial in run(tmp_path, 4, name="plain")]
    proxy = FakeProxy(diverging=frozenset(digests[2:4]))
    trials = run(tmp_path, 13, name="diverging", proxy=proxy)
    assert sum(trial.state == "FAIL" for trial in trials) == 2
    assert len({trial.digest for trial in trials}) == 13


def test_a_study_without_training_finds_the_best_of_each_objective(tmp_path):
    trials = run(tmp_path, 4, objectives=("params", "macs"), budgets="", designs=())
    space = make_config(tmp_path).space
    costs = [cost(design) for _, design in enumerate_designs(space)]
    assert min(t.cost.params for t in trials) == min(c.params for c in costs)
    assert min(t.cost.macs for t in trials) == min(c.macs for c in costs)


@pytest.mark.parametrize("sampler", ["tpe", "greybox"])
def test_budgets_that_no_design_keeps_are_refused_with_the_closest_one(tmp_path, sampler):
    config = make_config(tmp_path, sampler=sampler, budgets="latency_ms = 0.001")
    with pytest.raises(
        WalkbenchError, match=r"no design of space 'small' keeps Latency ≤ 0\.001 ms;"
    ):
        run_study(config, storage=str(tmp_path / "a.db"), latency=FakeLatency(), proxy=FakeProxy())
    assert not (tmp_path / "a.db").exists()
