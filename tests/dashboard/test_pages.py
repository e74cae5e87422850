"""The pages as a user finds them: with nothing, with a study, with every control moved."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import storages
from search_space.errors import WalkbenchError
from studies.store import open_storage
from tests.dashboard.small_study import make_small_study

APP = str(Path(__file__).parents[2] / "dashboard" / "app.py")


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Open the dashboard on a storage; every run must end without an exception."""

    def run(url: str, study: str | None = None, **address: str) -> AppTest:
        monkeypatch.setenv("WALKBENCH_STORAGES", json.dumps([url]))
        if study is not None:
            monkeypatch.setenv("WALKBENCH_STUDY", study)
        page = AppTest.from_file(APP, default_timeout=120)
        for name, value in address.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception
        return page

    monkeypatch.setattr(storages, "may_type", lambda: True)
    st.cache_resource.clear()  # storages that earlier tests typed
    monkeypatch.chdir(tmp_path)
    return run


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


def test_the_example_study_is_one_click_away(open_page, small_storage, monkeypatch):
    monkeypatch.setattr(storages, "example_storage", lambda: small_storage)
    page = open_page("sqlite:///nowhere.db")
    next(b for b in page.button if b.label == "Open the example study").click().run()
    assert not page.exception
    assert page.selectbox(key="study").value == "small"


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
    assert not page.text_input
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
    assert page.selectbox(key="trial").options[page.selectbox(key="trial").index].startswith("● ")
    assert {note["text"] for note in layout["annotations"]} >= {"F/mqa", "snapgen-imagenet"}


def test_numbers_that_are_uncertain_are_never_bare(open_page, small_storage):
    page = open_page(small_storage)
    rows = [line for line in html(page).split("<tr>") if "Latency" in line or "Proxy loss" in line]
    assert len(rows) == 2
    for row in rows:
        assert ("±" in row) or ("○" in row and "–" in row)
        assert "≈" in row


@pytest.mark.parametrize(("x", "y"), [("params", "macs"), ("peak_activation_bytes", "latency_ms")])
def test_any_two_numbers_can_span_the_plot(open_page, small_storage, x, y):
    page = open_page(small_storage)
    page.selectbox(key="x").set_value(x)
    page.selectbox(key="y").set_value(y)
    page.selectbox(key="colour").set_value("params").run()
    assert not page.exception
    drawn = figure(page)
    assert "coloraxis" in drawn["layout"]
    assert "front of these two axes" in [
        trace["name"] for trace in drawn["data"] if "name" in trace
    ]


def test_the_budget_filter_leaves_only_designs_within_it(open_page, small_storage):
    page = open_page(small_storage)
    everything = page.selectbox(key="trial").options
    page.toggle(key="feasible_only").set_value(True).run()
    kept = page.selectbox(key="trial").options
    assert not page.exception
    assert "0: F/thin" in everything and "0: F/thin" not in kept  # 317 ms of 300
    assert 0 < len(kept) < len(everything)


def test_choosing_a_design_shows_its_stages_and_its_export_command(open_page, small_storage):
    page = open_page(small_storage)
    page.selectbox(key="trial").set_value(3).run()
    assert "F/mqa, trial 3" in [heading.value for heading in page.subheader]
    assert '<td class="k">channels</td><td>256</td><td>512</td><td>896</td><td>896</td>' in html(
        page
    )
    command = page.code[0].value
    assert command.startswith("walkbench export 3 --study small --storage sqlite:")
    assert command.endswith("--to exported/small-3")
    assert "stage 1 · down · sites 1, 2 · layers" in html(page)  # early-condition is in SnapGen


def test_a_design_differs_from_itself_in_nothing(open_page, small_storage):
    page = open_page(small_storage)
    page.selectbox(key="trial").set_value(3)
    page.selectbox(key="reference").set_value("F/mqa").run()
    assert "This is F/mqa: nothing differs." in [caption.value for caption in page.caption]


def test_a_named_design_that_the_study_did_not_run_is_priced_for_the_comparison(
    open_page, small_storage
):
    page = open_page(small_storage)
    page.selectbox(key="reference").set_value("sdxl").run()
    assert not page.exception
    assert "2,567.46 M" in html(page)


def test_trials_that_end_meanwhile_appear(open_page, small_storage, tmp_path):
    copy = tmp_path / "copy.db"
    shutil.copy(small_storage.removeprefix("sqlite:///"), copy)
    page = open_page(f"sqlite:///{copy}")
    before = len(page.selectbox(key="trial").options)
    make_small_study(str(copy), trials=8)
    page.run()
    assert len(page.selectbox(key="trial").options) == before + 1


def test_a_design_of_another_version_is_explained_and_the_rest_still_works(
    open_page, small_storage, tmp_path
):
    copy = tmp_path / "copy.db"
    shutil.copy(small_storage.removeprefix("sqlite:///"), copy)
    with sqlite3.connect(copy) as database:
        database.execute(
            "UPDATE trial_user_attributes SET value_json = replace(value_json, 'rope', 'turn') "
            "WHERE key = 'spec' AND trial_id = (SELECT trial_id FROM trials WHERE number = 3)"
        )
    page = open_page(f"sqlite:///{copy}")
    page.selectbox(key="trial").set_value(3).run()
    assert not page.exception
    assert "has no field" in page.error[0].value
    page.selectbox(key="trial").set_value(2).run()
    assert not page.error


def test_a_study_that_is_not_there_is_said_to_be_missing(open_page, small_storage):
    page = open_page(small_storage, study="smal")
    assert "no study 'smal'" in page.warning[0].value
    assert page.selectbox(key="study").value == "small"


def test_the_walk_page_shows_a_step_with_what_is_published_of_it(open_page, small_storage):
    page = open_page(small_storage).switch_page("views/walk.py").run()
    assert not page.exception
    page.selectbox(key="walk_step").set_value("M/ffn-3").run()
    text = html(page)
    assert "−12.0 % against expanded-separable" in text and "stated" in text
    assert "stages 2, 3 · FFN ratio" in text
    assert "not published" in text


def test_a_step_of_which_nothing_is_published_says_so(open_page, small_storage):
    page = open_page(small_storage).switch_page("views/walk.py").run()
    page.selectbox(key="walk_step").set_value("M/sdxl").run()
    assert "The walk begins here." in [caption.value for caption in page.caption]
    assert "2,567,463,684" not in html(page)  # shown as millions, in full in the JSON


def test_the_walk_page_follows_family_and_device(open_page, small_storage):
    page = open_page(small_storage).switch_page("views/walk.py").run()
    page.segmented_control(key="walk_family").set_value("both")
    page.selectbox(key="walk_device").set_value("A15").run()
    assert not page.exception
    names = {trace["name"] for trace in figure(page)["data"]}
    assert {"family M", "family F"} <= names
    assert len(page.selectbox(key="walk_step").options) == 20
    assert any("estimates for A15" in caption.value for caption in page.caption)
