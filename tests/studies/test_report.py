import re
from dataclasses import replace
from html import unescape

import pytest

from search_space.errors import WalkbenchError
from studies.reading import study_data
from studies.report import write_report
from studies.runner import run_study
from studies.summary import best_designs, front_and_named, one_design, study_status
from tests.studies.fakes import FakeLatency, FakeProxy, make_config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished study with candidates over budget."""
    folder = tmp_path_factory.mktemp("report")
    config = make_config(folder, trials=7, budgets="latency_ms = 230")
    return run_study(config, storage=str(folder / "s.db"), latency=FakeLatency(), proxy=FakeProxy())


def text_of(page):
    """The words of a page, without its scripts."""
    plain = re.sub(r"<(script|style).*?</\1>", "", page.read_text(), flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", " ", plain))


def test_the_page_has_every_trial_with_its_numbers_and_where_they_come_from(run, tmp_path):
    write_report(study_data(run.study), tmp_path / "report.html")
    text = text_of(tmp_path / "report.html")
    for row in study_data(run.study).trials:
        assert (row.name or row.digest) in text
        assert f"{row.cost.params / 1e6:,.2f}" in text
        assert f"{row.latency.ms:,.0f} (" in text
        if row.score:
            assert f"{row.score.value:.4f} ±" in text
    assert "not trained" in text and "estimated" in text and "code_revision" in text
    assert "7 of 7 trials are done" in text


def test_a_design_called_like_markup_stays_text(run, tmp_path):
    study = study_data(run.study)
    hostile = [replace(trial, name="<script>alert(1)</script>") for trial in study.trials]
    write_report(replace(study, trials=hostile), tmp_path / "report.html")
    assert "<td><script>" not in (tmp_path / "report.html").read_text()


def test_the_one_design_is_on_the_front_and_front_and_named_has_each_design_once(run):
    study = study_data(run.study)
    shown, found = front_and_named(study), study.trials
    digests = [row.digest for row in shown]
    assert len(set(digests)) == len(digests)
    assert found[0].digest in digests  # F/mqa, by name
    assert one_design(study).digest in {trial.digest for trial in best_designs(study)}


def test_status_sums_what_was_trained(run):
    status = study_status(study_data(run.study))
    trained = [row for row in study_data(run.study).trials if row.score]
    fresh = [row for row in trained if row.trained_by is None]
    assert status["trained"] == len(fresh)
    assert status["training_seconds"] == pytest.approx(0.1 * len(fresh), abs=0.06)


def test_a_study_without_trials_within_budget_has_no_design_to_take(tmp_path):
    config = make_config(tmp_path, trials=1, budgets="latency_ms = 140")
    run = run_study(
        config, storage=str(tmp_path / "s.db"), latency=FakeLatency(), proxy=FakeProxy()
    )
    with pytest.raises(WalkbenchError, match="no complete trial within its budgets"):
        one_design(study_data(run.study))
    write_report(study_data(run.study), tmp_path / "report.html")
    assert "over budget" in text_of(tmp_path / "report.html")
