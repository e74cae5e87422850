"""No training run is made twice in one storage, whichever study asks for it."""

import optuna

from studies import record_codec
from studies.earlier_runs import EarlierRuns
from studies.reading import study_data
from studies.runner import run_study
from studies.trial_log import TrialLog
from tests.studies.fakes import FakeLatency, FakeProxy, make_config


def run(folder, name, trials=4, **changes):
    config = make_config(folder, name=name, budgets="", **changes)
    proxy = FakeProxy()
    found = run_study(
        config, trials=trials, storage=str(folder / "s.db"), latency=FakeLatency(), proxy=proxy
    )
    return study_data(found.study).trials, proxy.scored


def test_a_second_study_takes_over_every_score_and_says_from_where(tmp_path):
    first, trained = run(tmp_path, "first")
    second, again = run(tmp_path, "second")  # same seed and space: the same designs
    assert len(trained) == 4 and again == []
    assert [t.score.value for t in second] == [t.score.value for t in first]
    assert [t.cached_from for t in second] == [f"first/{t.number}" for t in first]
    assert not any(t.trained or t.trained_by is not None for t in second)


def test_other_training_settings_are_other_runs(tmp_path):
    run(tmp_path, "first")
    longer = "[proxy]\nsteps = 3\nwidth = 8\n"
    second, trained = run(tmp_path, "second", proxy=longer)
    assert len(trained) == 4 and all(t.trained for t in second)


def test_a_third_study_names_the_one_that_trained(tmp_path):
    for name in ("b-first", "a-second"):
        run(tmp_path, name, trials=2)
    third, trained = run(tmp_path, "0-third", trials=2)
    assert trained == [] and {t.cached_from for t in third} == {"b-first/0", "b-first/1"}


def test_studies_of_other_tools_and_of_later_versions_are_left_out(tmp_path):
    trials, _ = run(tmp_path, "first", trials=1)
    storage = f"sqlite:///{tmp_path / 's.db'}"
    optuna.create_study(study_name="another-tools", storage=storage).add_trial(
        optuna.create_trial(value=1.0)
    )
    later = optuna.create_study(study_name="a-later-version", storage=storage)
    later.set_user_attr(record_codec.STUDY, {"version": 99})
    mine = optuna.create_study(study_name="mine", storage=storage)
    earlier = EarlierRuns(mine, TrialLog(mine))
    assert earlier.find(trials[0].run).place == "first/0"
    assert earlier.find("0123456789ab") is None
