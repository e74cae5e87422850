"""The page of ablations: each of its views on a small study, and a space that does not ship."""

import shutil
import sqlite3
from functools import partial

import pytest
from streamlit.testing.v1 import AppTest


@pytest.fixture
def open_page(open_view):
    return partial(open_view, "ablation")


def headings(page: AppTest) -> list[str]:
    return [one.value for one in page.subheader]


def test_effects_show_the_studys_walk_and_what_several_seeds_measured(open_page):
    found = headings(open_page())
    assert found[-1] == "What each step of the walk does to the loss"
    assert "The design walk, family F" in found


def test_the_front_is_set_against_all_for_chosen_choices(open_page):
    page = open_page(ablation_view="Front against all")
    assert headings(page) == ["Choices on the front against all"]
    page.multiselect(key="choices").set_value(["ff_ratio"]).run()
    assert not page.exception


def test_importance_says_how_many_trials_it_needs(open_page):
    assert "needs 20 trials" in open_page(ablation_view="Importance").info[0].value


def test_a_space_that_does_not_ship_is_not_opened(open_page, small_storage, tmp_path):
    copy = tmp_path / "copy.db"
    shutil.copy(small_storage.removeprefix("sqlite:///"), copy)
    with sqlite3.connect(copy) as database:
        database.execute(
            "UPDATE study_user_attributes SET value_json = "
            "replace(value_json, '\"snapgen\"', '\"/etc/passwd\"')"
        )
    page = open_page(f"sqlite:///{copy}", ablation_view="One factor at a time")
    assert "does not ship" in page.error[0].value
