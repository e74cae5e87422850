import json
import shutil

import pytest
from typer.testing import CliRunner

from studies.cli.main import app
from studies.proxy_validation.baselines import BASELINES
from studies.proxy_validation.plan import keep_plan, load_plan
from studies.proxy_validation.runs import RUNS, append_result
from tests.studies.proxy_validation.made_up import made_baselines, made_results, small_plan


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a study that is finished."""
    folder = tmp_path_factory.mktemp("study")
    plan = small_plan(designs=8, seeds=2, walk="M")
    keep_plan(plan, folder)
    for result in made_results(plan, 0.001, 0.001):
        append_result(folder / RUNS, result)
    (folder / "baselines.json").write_text(json.dumps(made_baselines(plan)))
    return folder


def run(*words: object):
    return CliRunner().invoke(app, ["proxy", "validate", *map(str, words)])


def test_the_report_is_json_with_summary_rows_and_walk(study):
    done = run(study, "--report", "--format", "json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["summary"]["n_designs"] == len(found["rows"]) == 8
    assert found["walk"]["changes"][0]["verdict"] in ("REAL", "INSIDE NOISE")


def test_the_table_says_how_far_to_trust_it_and_csv_has_the_designs(study):
    table = run(study, "--report").stdout
    assert "noise ceiling" in table
    assert "M/snapgen" in table
    assert len(run(study, "--report", "--format", "csv").stdout.splitlines()) == 9


def test_the_plots_are_a_page(study, tmp_path):
    page = tmp_path / "plots.html"
    assert run(study, "--report", "--html", page).exit_code == 0
    text = page.read_text()
    assert "noise ceiling" in text
    assert "Change in loss at each step of the walk" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing-here", "--report"], "no validation study"),
        (["x", "--short", 5, "--long", 20], "--long 50"),
        (["x", "--space", "nope"], "unknown space 'nope'"),
        (["x", "--beta2", "2"], "beta2 is 2"),
        (["x", "--walk", "M", "--walk-steps", 0], "walk_steps is 0"),
        (["x", "--walk-steps", 9], "name a family"),
        (["x", "--designs", 4, "--strata", 4], "strata is 4; 1 to 2 is allowed"),
        (["x", "--short", 400, "--short-batch", 9], "11.2% of the multiply-adds"),
        (["x", "--data", "digits", "--long-from", "nowhere"], "no validation study"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "x").write_text("in the way")
    done = run(tmp_path / "x", "--designs", 4, "--strata", 2, "--short", 1, "--long", 10)
    assert done.exit_code == 2
    assert "File exists" in done.stderr and "name another folder" in done.stderr


def test_a_report_computes_nothing(study, tmp_path):
    bare = shutil.copytree(study, tmp_path / "bare")
    (bare / BASELINES).unlink()
    done = run(bare, "--report", "--format", "json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["summary"]["best_baseline"] is None
    assert not (bare / BASELINES).exists()
    (bare / BASELINES).write_text("{")
    assert "baselines.json cannot be read" in run(bare, "--report").stderr


def test_short_runs_of_another_kind_are_asked_for(tmp_path, monkeypatch, study):
    monkeypatch.setattr("studies.proxy_validation.runs.train", lambda *given: None)
    monkeypatch.setattr("studies.proxy_validation.baselines.kept_baselines", lambda *given: None)
    sizes = ["--designs", 4, "--strata", 2, "--short", 2, "--long", 10, "--width", 8]
    run(tmp_path, *sizes, "--batch", 8, "--short-latent", 12, "--short-batch", 4)
    plan = load_plan(tmp_path)
    assert (plan.short_side, plan.short_recipe.batch, plan.recipe.batch) == (12, 4, 8)
    other = run(tmp_path / "second", *sizes, "--short", 1, "--long-from", study)
    assert other.exit_code == 2 and "differs" in other.stderr


def test_the_recipe_that_is_asked_for_is_the_one_that_trains(tmp_path, monkeypatch):
    monkeypatch.setattr("studies.proxy_validation.runs.train", lambda *given: None)
    monkeypatch.setattr("studies.proxy_validation.baselines.kept_baselines", lambda *given: None)
    sizes = ["--designs", 4, "--strata", 2, "--short", 1, "--long", 10, "--width", 8]
    words = ["--batch", 2, "--learning-rate", "6e-3", "--warm-up", 50, "--beta2", 0.95]
    run(tmp_path, *sizes, *words)
    recipe = load_plan(tmp_path).recipe
    assert (recipe.batch, recipe.learning_rate, recipe.warm_up) == (2, 6e-3, 50)
    assert recipe.betas == (0.9, 0.95)
    other = run(tmp_path, *sizes, *words[:-1], 0.97)
    assert other.exit_code == 2 and "recipe differs" in other.stderr
