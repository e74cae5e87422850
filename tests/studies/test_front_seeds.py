import json

import numpy as np
import pytest
from typer.testing import CliRunner

from proxies.recipe import Budget
from proxies.training_run import TrainingSettings
from search_space.errors import WalkbenchError
from studies.cli.main import app
from studies.front_seeds import places, settings_of, train_front
from studies.reading import StudyData, study_data
from studies.records import StudyRecord
from studies.runner import run_study
from studies.summary import best_designs
from tests.studies.fakes import FakeLatency, make_config

SMALL = "[proxy]\nsteps = 2\nwidth = 8\nbatch = 2\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    config = make_config(folder, trials=3, budgets="", proxy=SMALL)
    return run_study(config, storage=str(folder / "s.db"), latency=FakeLatency()), folder / "s.db"


class Counting:
    """An engine that counts what it trains."""

    capacity = 1

    def __init__(self, inner):
        self.inner, self.runs = inner, []

    def submit(self, run):
        self.runs.append(run)
        return self.inner.submit(run)


@pytest.mark.slow
def test_new_seeds_are_new_and_finished_runs_are_not_trained_again(run):
    from studies.engines import engine

    opened, study = run[0].study, study_data(run[0].study)
    settings = settings_of(study)
    with engine("serial") as serial:
        counting = Counting(serial)
        first = train_front(opened, study, settings, 2, counting)
        assert {r.settings.seed for r in counting.runs} == {1, 2}  # the study's own is 0
        trained = len(counting.runs)
        again = train_front(opened, study, settings, 3, counting)
    assert trained == 2 * len(best_designs(study))
    assert len(counting.runs) == trained + len(best_designs(study))
    for name, losses in first.items():
        assert (again[name][:2] == losses).all()


@pytest.mark.slow
def test_the_settings_are_those_of_the_study(run):
    settings = settings_of(study_data(run[0].study))
    assert settings == TrainingSettings(
        Budget(steps=2), width=8, recipe=settings.recipe, compute=settings.compute
    )
    assert settings.recipe.batch == 2


def test_clear_differences_are_no_ties_and_failed_designs_come_last():
    losses = {
        "good": np.array([0.10, 0.11, 0.12]),
        "bad": np.array([0.20, 0.22, 0.24]),
        "failed": np.array([0.1, np.nan, 0.1]),
    }
    found = places(losses, {"good": 0.1, "bad": 0.2, "failed": 0.1})
    assert [(p.design, p.ties) for p in found] == [("good", ()), ("bad", ()), ("failed", ())]
    assert found[0].mean == pytest.approx(0.11) and found[2].mean is None


@pytest.mark.parametrize(
    ("proxy", "message"),
    [(None, "trains nothing"), ({"steps": 2, "data": "ab12"}, "--config FILE.toml")],
)
def test_a_study_that_cannot_be_trained_again_says_why(proxy, message):
    study = StudyData("odd", ("params",), StudyRecord(proxy=proxy), ())
    with pytest.raises(WalkbenchError, match=message):
        settings_of(study)


@pytest.mark.slow
def test_the_command_lists_the_front_with_its_ties(run):
    words = ["study", "seeds", "small", "--seeds", "2", "--storage", str(run[1])]
    done = CliRunner().invoke(app, [*words, "--format", "json"])
    assert done.exit_code == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["design"] for row in rows} == {
        trial.label for trial in best_designs(study_data(run[0].study))
    }
    assert all(row["seeds"] == 2 and row["mean"] > 0 for row in rows)
