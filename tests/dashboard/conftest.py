"""A small study for every test of the dashboard, made once."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboard.small_study import make_small_study


@pytest.fixture(scope="session")
def small_storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("dashboard") / "small.db"
    make_small_study(str(path))
    return f"sqlite:///{path}"


APP = Path(__file__).parents[2] / "dashboard" / "app.py"


@pytest.fixture
def open_view(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_storage: str
) -> Callable[..., AppTest]:
    """Open a page by its file's name, on a storage and an address, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(view: str, storage: str = small_storage, **address: str) -> AppTest:
        monkeypatch.setenv("WALKBENCH_STORAGES", json.dumps([storage]))
        page = AppTest.from_file(str(APP), default_timeout=180)
        for name, value in address.items():
            page.query_params[name] = value
        page.switch_page(str(APP.parent / "views" / f"{view}.py")).run()
        assert not page.exception
        return page

    return run
