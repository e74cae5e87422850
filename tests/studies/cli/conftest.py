"""Every test of the command line starts at the width of a pipe, whatever ran before it."""

import pytest


@pytest.fixture(autouse=True)
def width_of_a_pipe(monkeypatch):
    """Remove COLUMNS, which a library that another test drives may have set."""
    monkeypatch.delenv("COLUMNS", raising=False)
