"""The pages as a user finds them: with nothing, with a study, with every control moved."""

import json
import shutil
import sqlite3
from pathlib import Path

import optuna
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from benchmarks.large_storage import multiply
from dashboard import storages
from dashboard.pages import PAGES
from search_space.errors import WalkbenchError
from studies import pareto
from studies.reading import open_for_reading, read_study
from studies.store import open_storage
from tests.dashboard.small_study import make_small_study

OBJECTIVES = ("proxy_loss", "latency_ms")
APP = str(Path(__file__).parents[2] / "dashboard" / "app.py")


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Open the dashboard on a storage; every run must end without an exception."""

    def run(url: str, study: str | None = None, view: str = "pareto", **address: str) -> AppTest:
        monkeypatch.setenv("WALKBENCH_STORAGES", json.dumps([url]))
        if study is not None:
            monkeypatch.setenv("WALKBENCH_STUDY", study)
        page = AppTest.from_file(APP, default_timeout=120).switch_page(f"views/{view}.py")
        for name, value in address.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception
        return page

    monkeypatch.setattr(storages, "may_type", lambda: True)
    st.cache_resource.clear()  # storages that earlier tests typed
    monkeypatch.chdir(tmp_path)
    return run


def trials_of(trace: dict) -> list[int]:
    return [point[0] for point in trace.get("customdata", [])]


def figure(page: AppTest, number: int = 0) -> dict:
    return json.loads(page.get("plotly_chart")[number].proto.spec)


def html(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def test_without_a_storage_the_page_says_which_command_makes_one(open_page):
    page = open_page("sqlite:///nowhere.db")
    assert "does not exist" in page.info[0].value
    assert page.code[0].value == "walkbench study run demo --storage sqlite:///nowhere.db"
    assert not Path("nowhere.db").exists()


def test_a_storage_without_studies_says_which_command_makes_one(open_page):
    open_storage("sqlite:///empty.db", create=True)
    page = open_page("sqlite:///empty.db")
    assert "no study yet" in page.info[0].value
    assert page.code[0].value.startswith("walkbench study run demo")


@pytest.mark.slow
def test_the_example_study_is_one_click_away(open_page, small_storage, monkeypatch):
    monkeypatch.setattr(storages, "example_storage", lambda: small_storage)
    page = open_page("sqlite:///nowhere.db")
    next(b for b in page.button if b.label == "Open the example study").click().run()
    assert not page.exception
    assert page.selectbox(key="study").value == "small"


@pytest.mark.slow
def test_a_storage_that_is_no_address_is_explained_and_the_former_stays(open_page, small_storage):
    page = open_page(small_storage)
    page.text_input(key="typed_storage").set_value("not a database").run()
    assert "is no database URL" in page.error[0].value
    assert page.selectbox(key="study").value == "small"


def test_a_typed_storage_opens(open_page, small_storage):
    page = open_page("sqlite:///nowhere.db")
    page.text_input(key="typed_storage").set_value(small_storage).run()
    assert not page.exception and not page.info
    assert page.selectbox(key="study").value == "small"


def test_a_path_in_the_address_opens_nothing(open_page, small_storage):
    page = open_page("sqlite:///nowhere.db", storage=small_storage.removeprefix("sqlite:///"))
    assert "does not exist" in page.info[0].value
    assert page.selectbox(key="storage").value == "nowhere.db"


def test_storages_are_not_typed_into_a_server_that_others_reach(
    open_page, small_storage, monkeypatch
):
    monkeypatch.setattr(storages, "may_type", lambda: False)
    page = open_page(small_storage)
    assert "typed_storage" not in [box.key for box in page.text_input]
    with pytest.raises(WalkbenchError, match="--storage options only"):
        storages.add_storage("other.db")


def test_a_password_is_never_shown(open_page):
    page = open_page("postgresql://me:secret@localhost:1/studies")
    shown = [e.value for kind in ("info", "code", "markdown") for e in page.get(kind)]
    shown += page.selectbox(key="storage").options
    assert any("me:***@localhost" in text for text in shown)
    assert not any("secret" in text for text in shown)


def test_a_study_opens_on_its_objectives_and_its_best_design(open_page, small_storage):
    page = open_page(small_storage)
    layout = figure(page)["layout"]
    assert layout["xaxis"]["title"]["text"].startswith("Latency (ms")
    assert layout["yaxis"]["title"]["text"].startswith("Proxy loss")
    assert layout["xaxis"]["range"][0] >= 0
    assert {note["text"] for note in layout["annotations"]} >= {"F/mqa", "snapgen-imagenet"}
    best = pareto.front(read_study(open_for_reading(small_storage), "small").trials, OBJECTIVES)
    assert int(page.text_input(key="trial").value) in {trial.number for trial in best}


def test_numbers_that_are_uncertain_are_never_bare(open_page, small_storage):
    page = open_page(small_storage)
    rows = [line for line in html(page).split("<tr>") if "Latency" in line or "Proxy loss" in line]
    assert len(rows) >= 2
    for row in rows:
        assert ("±" in row) or ("○" in row and "–" in row)


def test_a_view_is_a_link(open_page, small_storage):
    page = open_page(small_storage, x="Parameters", y="MACs", colour="Latency", trial="3")
    layout = figure(page)["layout"]
    assert layout["xaxis"]["title"]["text"].startswith("Parameters")
    assert layout["yaxis"]["title"]["text"].startswith("MACs")
    assert "coloraxis" in layout
    assert "F/mqa" in page.markdown[0].value


def test_the_two_axes_are_never_the_same(open_page, small_storage):
    page = open_page(small_storage)
    page.selectbox(key="x").set_value("proxy_loss").run()
    assert page.selectbox(key="y").value != "proxy_loss"
    assert "Proxy loss" not in page.selectbox(key="y").options


def test_three_objectives_span_a_space(open_page, small_storage):
    page = open_page(small_storage)
    page.selectbox(key="z").set_value("macs").run()
    assert not page.exception
    assert {trace["type"] for trace in figure(page)["data"]} == {"scatter3d"}


def test_a_choice_colours_the_cloud(open_page, small_storage):
    page = open_page(small_storage)
    page.selectbox(key="colour").set_value("choice sampler").run()
    assert not page.exception
    assert figure(page)["layout"]["coloraxis"]["colorbar"]["title"]["text"] == "sampler"


def test_a_budget_slider_cuts_the_cloud(open_page, small_storage):
    page = open_page(small_storage)
    study = read_study(open_for_reading(small_storage), "small")
    page.slider(key="budget_latency_ms").set_value(200.0).run()
    assert not page.exception
    drawn = {n for trace in figure(page)["data"] for n in trials_of(trace)}
    kept = {t.number for t in study.trials if (t.value("latency_ms") or 1e9) <= 200}
    assert drawn and drawn <= kept < set(range(len(study.trials)))


@pytest.mark.parametrize("wrong", ["99", "-1", "x; DROP TABLE trials", "<b>"])
def test_an_unknown_trial_in_a_link_is_explained(open_page, small_storage, wrong):
    page = open_page(small_storage, trial=wrong)
    assert "has no trial" in page.warning[0].value
    assert "<b>" not in page.warning[0].value.replace("\\<b\\>", "")


def test_a_region_selects_trials_and_a_wrong_one_is_explained(open_page, small_storage):
    study = read_study(open_for_reading(small_storage), "small")
    page = open_page(small_storage, region="0, 200, 0, 1")
    found = set(page.dataframe[0].value["trial"])
    measured = [t for t in study.trials if t.value("proxy_loss") is not None]
    assert found == {t.number for t in measured if t.value("latency_ms") <= 200}
    page.text_input(key="region").set_value("1, 2, a").run()
    assert not page.exception
    assert "four numbers" in page.warning[0].value


def test_designs_are_compared_side_by_side(open_page, small_storage):
    page = open_page(small_storage, compare="1, 3")
    head = next(line for line in html(page).split("<tr>") if "F/separable, trial 1" in line)
    assert "F/mqa, trial 3" in head


@pytest.mark.slow
def test_another_storage_starts_the_view_anew(open_page, small_storage, tmp_path, monkeypatch):
    other = tmp_path / "other.db"
    make_small_study(str(other), trials=5)
    monkeypatch.setattr(storages, "example_storage", lambda: f"sqlite:///{other}")
    page = open_page(small_storage, trial="6", x="Parameters", region="0, 200, 0, 1")
    page.selectbox(key="storage").set_value(storages.EXAMPLE).run()
    assert not page.exception and not page.warning
    assert page.selectbox(key="x").value == "latency_ms"
    assert page.text_input(key="region").value == ""
    assert int(page.text_input(key="trial").value) < 5


@pytest.mark.slow
def test_trials_that_end_meanwhile_appear(open_page, small_storage, tmp_path):
    copy = tmp_path / "copy.db"
    shutil.copy(small_storage.removeprefix("sqlite:///"), copy)
    page = open_page(f"sqlite:///{copy}", region="0, 100000, 0, 10")
    before = set(page.dataframe[0].value["trial"])
    make_small_study(str(copy), trials=12)
    page.run()
    assert before < set(page.dataframe[0].value["trial"])


def test_a_study_that_is_not_there_is_said_to_be_missing(open_page, small_storage):
    page = open_page(small_storage, study="smal")
    assert "no study 'smal'" in page.warning[0].value
    assert page.selectbox(key="study").value == "small"


def test_the_walk_page_shows_a_step_with_what_is_published_of_it(open_page, small_storage):
    page = open_page(small_storage, view="walk")
    assert not page.exception
    page.selectbox(key="walk_step").set_value("M/ffn-3").run()
    text = html(page)
    assert "−12.0 % against expanded-separable" in text and "stated" in text
    assert "stages 2, 3 · FFN ratio" in text
    assert "not published" in text


def test_a_step_of_which_nothing_is_published_says_so(open_page, small_storage):
    page = open_page(small_storage, view="walk")
    page.selectbox(key="walk_step").set_value("M/sdxl").run()
    assert "The walk begins here." in [caption.value for caption in page.caption]
    assert "2,567,463,684" not in html(page)  # shown as millions, in full in the JSON


def test_the_walk_page_follows_family_and_device(open_page, small_storage):
    page = open_page(small_storage, view="walk")
    page.segmented_control(key="walk_family").set_value("both")
    page.selectbox(key="walk_device").set_value("A15").run()
    assert not page.exception
    names = {trace["name"] for trace in figure(page)["data"]}
    assert {"family M", "family F"} <= names
    assert len(page.selectbox(key="walk_step").options) == 20
    assert any("estimates for A15" in caption.value for caption in page.caption)


VIEWS = sorted(PAGES.names())


@pytest.mark.parametrize("view", VIEWS)
def test_every_page_opens_on_a_study(open_page, small_storage, view):
    page = open_page(small_storage, view=PAGES.get(view).script.stem)
    assert [heading.value for heading in page.title] == [PAGES.get(view).title]
    assert not page.warning and not page.error


@pytest.mark.parametrize("view", ["overview", "pareto", "proxies"])
def test_a_study_of_another_tool_is_explained(open_page, tmp_path, view):
    url = f"sqlite:///{tmp_path}/other.db"
    other = optuna.create_study(study_name="theirs", storage=url, directions=["minimize"] * 2)
    other.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), n_trials=3)
    page = open_page(url, view=view)
    assert not page.error
    assert page.info or "another program" in page.markdown[0].value


def test_a_study_of_a_later_version_is_explained(open_page, small_storage, tmp_path):
    path = shutil.copy(small_storage.removeprefix("sqlite:///"), tmp_path / "later.db")
    with sqlite3.connect(path) as database:
        database.execute(
            "UPDATE study_user_attributes SET value_json = replace(value_json, "
            "'\"version\": 2', '\"version\": 9') WHERE key = 'walkbench'"
        )
    assert "upgrade walkbench" in open_page(f"sqlite:///{path}").info[0].value


def test_a_storage_that_vanishes_while_open_is_explained(open_page, small_storage, tmp_path):
    path = Path(shutil.copy(small_storage.removeprefix("sqlite:///"), tmp_path / "copy.db"))
    page = open_page(f"sqlite:///{path}")
    path.unlink()
    page.run()
    assert not page.exception
    assert "does not exist" in page.info[0].value


def test_the_overview_says_what_runs_what_failed_and_what_changed(
    open_page, small_storage, tmp_path
):
    path = shutil.copy(small_storage.removeprefix("sqlite:///"), tmp_path / "copy.db")
    url = f"sqlite:///{path}"
    open_page(url, view="overview")
    study = optuna.load_study(study_name="small", storage=url)
    study.ask()
    failed = study.ask()
    failed.set_user_attr("failed", "<b>diverged</b>")
    study.tell(failed, state=optuna.trial.TrialState.FAIL)
    page = open_page(url, view="overview")
    numbers = {metric.label: metric.value for metric in page.metric}
    assert (numbers["running"], numbers["failed"]) == ("1", "1")
    assert list(page.dataframe[0].value["message"]) == ["<b>diverged</b>"]
    assert any("1 more done, 1 more failed" in caption.value for caption in page.caption)


@pytest.mark.slow
def test_ten_thousand_trials_open_in_seconds(open_page, small_storage, tmp_path):
    path = Path(shutil.copy(small_storage.removeprefix("sqlite:///"), tmp_path / "many.db"))
    multiply(path, 10_000)
    page = open_page(f"sqlite:///{path}")
    traces = figure(page)["data"]
    assert len(json.dumps(traces)) < 3_000_000  # what goes to the browser
    assert any("dominated" in caption.value for caption in page.caption)


def test_training_runs_are_found_by_their_label_alone(open_page, small_storage, tmp_path):
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    lines = ["step,loss,validation_loss,rate,seconds,pictures_per_second", "1,0.5,,0.001,1,8"]
    (run / "log.csv").write_text("\n".join([*lines, "2,nan,0.4,0.001,2,8", "3,0.3"]))
    (tmp_path / "log.csv").write_text("step,loss\n1,9\n")
    page = open_page(small_storage, view="training", run="../")
    assert page.selectbox(key="run").value == "mine"
    drawn = {trace["name"]: trace["y"] for trace in figure(page)["data"]}
    assert drawn["training loss"] == [0.5] and drawn["validation loss"] == [0.4]


def test_a_validation_is_drawn(open_page, small_storage, tmp_path):
    (tmp_path / "runs").mkdir()
    results = Path(__file__).parents[2] / "benchmarks" / "results"
    shutil.copy(results / "proxy_validation.json", tmp_path / "runs")
    page = open_page(small_storage, view="proxies")
    titles = [figure(page, n)["layout"]["xaxis"]["title"]["text"] for n in (1, 2)]
    assert titles == ["validation loss, short runs", "training steps"]
