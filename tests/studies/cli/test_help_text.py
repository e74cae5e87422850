"""Help texts flow into the window, whatever the width at which their source was wrapped."""

import re
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from studies.cli.help_text import flowing
from studies.cli.main import app


def test_indented_paragraphs_keep_their_lines():
    text = "One\nline.\n\n    walkbench walk\n    walkbench space\n\nTwo\nlines."
    assert flowing(text) == "One line.\n\n    walkbench walk\n    walkbench space\n\nTwo lines."


@pytest.mark.parametrize("words", [("latency", "calibrate"), ("train",), ("export",)])
def test_no_line_of_a_paragraph_ends_early_at_80_columns(words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    shown = CliRunner().invoke(app, [*words, "--help"]).stdout
    above = shown.split("╭")[0].split("Usage:")[1]
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in above.splitlines()[1:]]
    for line, following in pairwise(lines):
        if line and following:
            assert len(line) + 1 + len(following.split()[0]) > 76, line
