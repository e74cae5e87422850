"""The page of a design: a trial by its address, beside any other; hostile names as text."""

import shutil
import sqlite3
from functools import partial

import pytest
from streamlit.testing.v1 import AppTest

from studies.store import open_storage


@pytest.fixture
def open_page(open_view):
    return partial(open_view, "design")


def headings(page: AppTest) -> list[str]:
    return [one.value for one in page.subheader]


def html(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def test_an_address_names_the_design_and_what_it_is_compared_with(open_page, small_storage):
    page = open_page(small_storage, trial="3", against="F/thin")
    assert headings(page)[:3] == [
        "The architecture of F/mqa", "F/mqa, trial 3", "F/mqa against F/thin",
    ]  # fmt: skip
    assert "632.51 M" in html(page)
    assert any(code.value.startswith("walkbench export 3 --study small") for code in page.code)
    page.selectbox(key="against").set_value("nothing").run()
    assert not page.exception and "F/mqa against F/thin" not in headings(page)


def test_an_unknown_trial_in_an_address_is_a_message_and_another_design(open_page, small_storage):
    page = open_page(small_storage, trial="999")
    assert "no design of trial 999" in page.warning[0].value
    assert headings(page)[0].startswith("The architecture of ")


def test_a_choice_from_the_front_shows_that_trial(open_page, small_storage):
    page = open_page(small_storage, trial="0")
    page.selectbox(key="design_of_list").set_value(3).run()
    assert not page.exception and "F/mqa, trial 3" in headings(page)


def test_a_study_without_designs_says_so(open_page):
    open_storage("sqlite:///empty.db", create=True)
    assert "no study yet" in open_page("sqlite:///empty.db").info[0].value


def test_a_design_of_another_version_is_explained(open_page, small_storage, tmp_path):
    copy = tmp_path / "copy.db"
    shutil.copy(small_storage.removeprefix("sqlite:///"), copy)
    with sqlite3.connect(copy) as database:
        database.execute(
            "UPDATE trial_user_attributes SET value_json = replace(value_json, 'rope', 'turn') "
            "WHERE key = 'spec' AND trial_id = (SELECT trial_id FROM trials WHERE number = 3)"
        )
    page = open_page(f"sqlite:///{copy}", trial="3")
    assert "cannot be shown" in page.error[0].value


def test_a_name_like_markup_stays_text(open_page, small_storage, tmp_path):
    copy = tmp_path / "copy.db"
    shutil.copy(small_storage.removeprefix("sqlite:///"), copy)
    hostile = '"<img src=x onerror=alert(1)>**b** [a](http://x)"'
    with sqlite3.connect(copy) as database:
        database.execute(
            "UPDATE trial_user_attributes SET value_json = ? WHERE key = 'name'", (hostile,)
        )
        database.execute("UPDATE studies SET study_name = '<script>alert(1)</script>'")
    page = open_page(f"sqlite:///{copy}", trial="3")
    assert "<img src=x" not in html(page)
    for one in (*page.markdown, *page.caption):
        assert "**b**" not in one.value and "](http" not in one.value
