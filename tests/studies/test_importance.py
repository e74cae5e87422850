import json
import random

import pytest
from typer.testing import CliRunner

from search_space.errors import WalkbenchError
from studies.analyses.card import cards
from studies.cli.main import app
from studies.importance import importances
from studies.reading import StudyData
from studies.records import StudyRecord, TrialRecord
from studies.runner import run_study
from tests.studies.fakes import FakeLatency, make_config


def trials(number=80):
    """Losses decided by x, and by y only where it has an effect; z decides nothing."""
    source, found = random.Random(0), []
    for n in range(number):
        params = {"x": source.choice(["a", "b", "c"]), "z": source.randint(0, 3)}
        loss = {"a": 0.0, "b": 1.0, "c": 2.0}[params["x"]]
        if params["x"] == "a":
            params["y"] = source.choice([False, True])
            loss += 0.5 * params["y"]
        found.append(TrialRecord(n, "COMPLETE", params=params, values={"loss": loss}))
    return found


def test_what_decides_the_objective_comes_first_and_shares_add_up_to_one():
    found = importances(trials(), "loss")
    assert [one.axis for one in found][-1] == "z"
    assert sum(one.share for one in found) == pytest.approx(1.0)
    assert {one.axis for one in found} == {"x", "y", "z"}
    assert 0 < found[0].stderr < found[0].share


def test_few_trials_are_refused_with_what_is_needed():
    with pytest.raises(WalkbenchError, match="needs 20 trials with a value of loss, there are 5"):
        importances(trials(5), "loss")


def test_a_study_with_too_few_trials_has_no_card():
    study = StudyData("few", ("loss",), StudyRecord(), trials(5))
    assert cards(study, ["importance"]) == []


def test_trials_over_budget_count_for_what_they_have():
    over = [TrialRecord(t.number, "PRUNED", params=t.params, values=t.values) for t in trials()]
    assert importances(over, "loss") == importances(trials(), "loss")


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("importance")
    config = make_config(folder, objectives=("params",), budgets="", trials=24, sampler="random")
    run_study(config, storage=str(folder / "s.db"), latency=FakeLatency())
    return folder / "s.db"


def test_the_command_lists_every_axis_of_every_objective(storage, tmp_path):
    words = ["study", "importance", "small", "--storage", str(storage)]
    done = CliRunner().invoke(app, [*words, "--format", "json"])
    rows = json.loads(done.stdout)
    assert {row["axis"] for row in rows} == {
        "mid_depth", "depth.1.down", "depth.2.down", "depth.2.up", "kv_heads.2"
    }  # fmt: skip
    page = tmp_path / "importance.html"
    assert CliRunner().invoke(app, [*words, "--html", str(page)]).exit_code == 0
    assert "mid_depth" in page.read_text()
