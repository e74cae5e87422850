"""Add a metric: one file. Studies minimise and limit it, and everything that shows them has it."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from search_space.errors import WalkbenchError
from studies import pareto
from studies.cli.main import app
from studies.figures.pareto import pareto_figure
from studies.metric import Metric, exact
from studies.metrics import METRICS, register
from studies.reading import study_data
from studies.report import write_report
from studies.runner import run_study
from studies.testing import MetricSuite
from tests.studies.fakes import FakeLatency, make_config

DASHBOARD = str(Path(__file__).parents[2] / "dashboard" / "app.py")


def count_layers(candidate):
    """Transformer layers of the whole network."""
    spec = candidate.network
    sites = [s for stage in spec.stages for path in (stage.down, stage.up) for s in path.sites]
    return exact(sum(site.depth for site in sites) + (spec.mid.depth if spec.mid else 0))


@pytest.fixture(params=["minimise", "maximise"])
def layers(request):
    metric = Metric("layers", "Layers", count_layers, goal=request.param)
    yield register(metric)
    METRICS.unregister(metric.name)


@pytest.fixture
def run(layers, tmp_path):
    """A study that trades the new metric against parameters, within a budget of it."""
    goals = {"objectives": ("params", "layers")}
    if layers.goal == "maximise":
        goals = {"objectives": ("params",), "maximise": ("layers",)}
    config = make_config(tmp_path, trials=8, budgets="layers = 25", **goals)
    return run_study(config, storage=str(tmp_path / "s.db"), latency=FakeLatency())


def test_a_study_has_its_values_its_front_and_its_budget(layers, run):
    study = study_data(run.study)
    assert study.objectives == ("params", "layers")
    for trial in study.trials:
        found = count_layers(trial).value
        assert trial.values["layers"] == found == trial.measured("layers").value
        kept = found <= 25 if layers.goal == "minimise" else found >= 25
        assert trial.feasible == kept
    assert {trial.feasible for trial in study.trials} == {True, False}
    best = pareto.front(study.trials, study.objectives)
    assert {t.number for t in best} == {t.number for t in run.study.best_trials}  # Optuna agrees


@pytest.mark.slow
def test_tables_reports_figures_and_the_dashboard_show_it(layers, run, tmp_path, monkeypatch):
    study = study_data(run.study)
    url = f"sqlite:///{tmp_path}/s.db"
    shown = CliRunner().invoke(app, ["study", "best", "small", "--all", "--storage", url])
    assert "layers" in shown.stdout and shown.exit_code == 0
    write_report(study, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert layers.limit(25.0) in page and ">layers<" in page
    figure = pareto_figure(study.trials, study.objectives, "layers", "params")
    assert figure.layout.xaxis.title.text == "Layers (exact)"
    monkeypatch.setenv("OPTUNA_STORAGE", url)
    dashboard = AppTest.from_file(DASHBOARD, default_timeout=120)
    dashboard.switch_page("views/pareto.py").run()
    assert not dashboard.exception
    assert dashboard.selectbox(key="x").value == "layers"
    assert layers.limit(25.0) in " ".join(caption.value for caption in dashboard.caption)


def test_a_metric_under_the_wrong_goal_is_refused(layers, tmp_path):
    wrong = {"maximise": ("layers",)} if layers.goal == "minimise" else {}
    objectives = ("params",) if wrong else ("params", "layers")
    with pytest.raises(WalkbenchError, match="a list of"):
        make_config(tmp_path, objectives=objectives, budgets="", **wrong)


class TestLayers(MetricSuite):
    name = "layers"

    @pytest.fixture(autouse=True)
    def registered(self, layers):
        return layers
