"""Add an analysis: one file. The report, the dashboard and `walkbench study show` have its card."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from studies.analyses.card import ANALYSES, Card, CardColumn, CardTable, cards
from studies.cli.main import app
from studies.reading import study_data
from studies.report import write_report
from studies.runner import run_study
from tests.studies.fakes import FakeLatency, make_config

DASHBOARD = str(Path(__file__).parents[2] / "dashboard" / "app.py")


def smallest(study):
    """The smallest design, with its parameters."""
    trial = min(study.trials, key=lambda trial: trial.cost.params)
    table = CardTable(
        (CardColumn("design"), CardColumn("params", right=True)),
        ((trial.label, str(trial.cost.params)),),
    )
    return [Card("The smallest design", ("One of all.",), table=table, notes=("Exact.",))]


@pytest.fixture(autouse=True)
def registered():
    ANALYSES.register("smallest", smallest)
    yield
    ANALYSES.unregister("smallest")


@pytest.fixture
def study(tmp_path):
    config = make_config(tmp_path, trials=3, objectives=("params", "macs"), budgets="")
    run = run_study(config, storage=str(tmp_path / "s.db"), latency=FakeLatency())
    return study_data(run.study)


def test_the_card_is_in_the_report_on_the_page_and_in_the_command(study, tmp_path, monkeypatch):
    params = str(min(trial.cost.params for trial in study.trials))
    write_report(study, tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text()
    url = f"sqlite:///{tmp_path}/s.db"
    command = ["study", "show", "small", "smallest", "--storage", url]
    shown = CliRunner().invoke(app, command).stdout
    monkeypatch.setenv("OPTUNA_STORAGE", url)
    page = AppTest.from_file(DASHBOARD, default_timeout=120).run()
    assert not page.exception
    texts = [heading.value for heading in page.subheader]
    texts += [element.proto.body for element in page.get("html")]
    for text in (report, shown, "\n".join(texts)):
        assert "The smallest design" in text and params in text
    (card,) = json.loads(CliRunner().invoke(app, [*command, "--format", "json"]).stdout)
    assert card["rows"][0]["params"] == params and card["notes"] == ["Exact."]


def test_every_analysis_that_ships_has_nothing_to_show_before_the_first_trial(study):
    ANALYSES.unregister("smallest")
    assert cards(replace(study, trials=())) == []
