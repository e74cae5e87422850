"""A small study for every test of the dashboard, made once."""

import pytest

from tests.dashboard.small_study import make_small_study


@pytest.fixture(scope="session")
def small_storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("dashboard") / "small.db"
    make_small_study(str(path))
    return f"sqlite:///{path}"
