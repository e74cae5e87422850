"""A page of the dashboard: one script, registered before the app runs."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.pages import PAGES, Page
from tests.dashboard.small_study import make_small_study

APP = str(Path(__file__).parents[2] / "dashboard" / "app.py")
SCRIPT = """
from dashboard import frame
from dashboard.cards import show_cards
from studies.analyses.card import Card

url, study = frame.study()
show_cards([Card("Trials", (f"{study.name} has {len(study.trials)} trials.",))], "toy")
"""


@pytest.fixture
def toy(tmp_path: Path):
    script = tmp_path / "toy.py"
    script.write_text(SCRIPT)
    PAGES.register("toy", Page("Toy", "toys", script))
    yield script
    PAGES.unregister("toy")


def test_a_registered_page_is_in_the_menu_and_has_the_study(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make_small_study(str(tmp_path / "small.db"), trials=1)
    monkeypatch.setenv("WALKBENCH_STORAGES", json.dumps([f"sqlite:///{tmp_path}/small.db"]))
    page = AppTest.from_file(APP, default_timeout=120).switch_page(str(toy)).run()
    assert not page.exception
    assert [heading.value for heading in page.title] == ["Toy"]
    # one trial, and four that wait
    assert "small has 5 trials" in page.markdown[0].value
