"""`walkbench dashboard --write`: notes, the next design, an early end; nothing without it."""

import shutil

import optuna
import pytest

from dashboard import writing
from studies.reading import open_for_reading, read_study


@pytest.fixture
def storage(small_storage, tmp_path):
    return f"sqlite:///{shutil.copy(small_storage.removeprefix('sqlite:///'), tmp_path / 'w.db')}"


def labels(page):
    return {button.label for button in page.button}


def press(page, label):
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception


def test_without_the_option_nothing_can_be_written(open_view, storage, monkeypatch):
    monkeypatch.delenv(writing.WRITE, raising=False)
    shown = labels(open_view("overview", storage)) | labels(open_view("design", storage))
    assert shown.isdisjoint({"Save the note", "Run it next", "Stop after the running trials"})


def test_a_note_is_kept_and_a_change_of_somebody_else_is_not_lost(open_view, storage, monkeypatch):
    monkeypatch.setenv(writing.WRITE, "1")
    page = open_view("design", storage, trial="1")
    page.text_area[0].set_value("<b>again</b>")
    press(page, "Save the note")
    assert "is saved" in page.success[0].value
    assert read_study(open_for_reading(storage), "small").note(1) == "<b>again</b>"
    monkeypatch.delenv(writing.WRITE)
    assert any("again" in one.value for one in open_view("design", storage, trial="1").markdown)


def test_a_design_is_named_and_the_study_is_stopped(open_view, storage, monkeypatch):
    monkeypatch.setenv(writing.WRITE, "1")
    study = optuna.load_study(study_name="small", storage=storage)
    study.ask()
    page = open_view("overview", storage)
    page.selectbox(key="design_to_run").set_value("F/mqa")
    press(page, "Run it next")
    assert "is F/mqa already" in page.error[0].value
    page.selectbox(key="design_to_run").set_value("F/early-condition")
    press(page, "Run it next")
    assert "waits as trial 8" in page.success[0].value
    press(page, "Stop after the running trials")
    assert study.user_attrs["stop"] is True
