"""The page of the walk: its path over a study, edits of it, figures of another phone marked."""

import json
from functools import partial

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import data
from studies.walk_order import StepShare

F, M = "F: published totals", "M: published percentages"


@pytest.fixture
def open_page(open_view):
    return partial(open_view, "walk")


def traces(page: AppTest) -> list[str]:
    return [one.get("name") for one in json.loads(page.get("plotly_chart")[0].proto.spec)["data"]]


def test_the_path_lies_over_what_the_study_searched(open_page):
    page = open_page(walk_view="Path and edits", walk_family=F, walk_device="iPhone 16 Pro Max")
    assert traces(page) == ["searched", "family F"]
    page.selectbox(key="walk_y").set_value("proxy_loss").run()
    assert not page.exception
    assert any("Not trained in this study" in one.value for one in page.markdown)


def test_the_path_is_there_without_a_study(open_page):
    page = open_page("sqlite:///nowhere.db", walk_view="Path and edits", walk_family=F)
    assert traces(page) == ["family F"]


def test_steps_are_moved_dropped_and_inserted_and_the_path_moves(open_page):
    page = open_page(walk_view="Path and edits", walk_family=F)
    page.selectbox(key="step_to_edit").set_value(1)
    next(button for button in page.button if button.label == "Drop").click().run()
    assert not page.exception
    assert page.text_input(key="walk_steps").value.startswith("thin, separable,")
    assert "edited" in traces(page)
    next(button for button in page.button if button.label == "Earlier").click().run()
    assert page.text_input(key="walk_steps").value.startswith("separable, thin,")
    page.selectbox(key="step_to_insert").set_value("no-high-res-sa")
    next(button for button in page.button if button.label == "Insert").click().run()
    assert "no-high-res-sa" in page.text_input(key="walk_steps").value
    next(b for b in page.button if b.label == "The walk as published").click().run()
    assert "edited" not in traces(page)


def test_a_step_that_does_not_apply_is_said_and_left_out(open_page):
    page = open_page(
        walk_view="Path and edits", walk_family=F, walk_steps="thin, nonsense, a=b, mqa"
    )
    assert [one.value.partition(" is")[0] for one in page.warning] == ["nonsense", "a\\=b"] or [
        one.value.partition(" is")[0] for one in page.warning
    ] == ["nonsense", "a=b"]
    assert "edited" in traces(page)


def test_a_change_published_for_another_phone_carries_its_name(open_page):
    page = open_page(walk_device="iPhone 16 Pro Max", walk_family=M)
    assert "published change on iPhone 15 Pro, family M" in traces(page)
    own = open_page(walk_device="iPhone 15 Pro", walk_family=M)
    assert not any("on iPhone" in name for name in traces(own))


def test_shares_and_the_decoder_have_their_views(open_page, monkeypatch):
    shares = [StepShare("thin", "params", -1.9e9, -1.7e9, -2.0e9, -1.2e9)]
    monkeypatch.setattr(data, "shares_of", lambda family, source: shares)
    page = open_page(walk_view="Shares of each step", walk_family=F)
    assert page.subheader[0].value == "Each step's share of Parameters, family F"
    page = open_page(walk_view="Decoder", walk_device="iPhone 16 Pro Max")
    assert page.subheader[0].value == "The decoder's walk, on iPhone 16 Pro Max"
