"""Tables fit the window, and no digit is lost."""

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from typer.testing import CliRunner

from studies.cli.main import app
from studies.cli.table import Column, print_rows

# One of every kind of table, those with the most columns among them.
COMMANDS = (
    "walk --family M",
    "latency published --chip A15",
    "latency estimate sdxl F/mqa",
    "study best example --all --storage {example}",
    "study best trained --all --storage {older}",
    "study list --storage {example}",
    "study status example --storage {example}",
    "spec list",
    "spec show sd15",
    "spec diff M/mqa F/mqa",
    "space show snapgen",
    "cost sdxl",
    "cost sd15 --blocks",
    "latency show cpu-onnxruntime-narrow",
    "latency plan --spec sd15",
)
IN_BOTH = (COMMANDS[0], COMMANDS[1], COMMANDS[3])
STORAGES = {
    "example": "studies/example/example.db",
    "older": "tests/fixtures/v0_1/studies.db",
}


def numbers(text):
    """Return the words of ``text`` with digits; longer ones, such as addresses, may be broken."""
    words = re.split(r"[\s│]+", text)
    return {word for word in words if re.search(r"\d", word) and len(word) <= 16}


def run(words, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    result = CliRunner().invoke(app, words.format(**STORAGES).split())
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("words", COMMANDS)
def test_a_table_in_a_pipe_keeps_every_number_at_80_and_100_columns(words, monkeypatch):
    whole = run(f"{words} --wide", 80, monkeypatch).stdout
    for width in (80, 100):
        result = run(words, width, monkeypatch)
        out = result.stdout
        assert max(map(cell_len, out.splitlines())) <= width, "a line is wider than the window"
        assert "…" not in out.replace(" … ", "")
        shown = numbers(out)
        if "left out: " not in result.stderr:
            assert numbers(whole) <= shown
        assert shown <= numbers(whole), "a number was cut"


IN_A_TERMINAL = """
import fcntl, json, struct, sys, termios
from studies.cli.main import app
assert sys.stdout.isatty()
for width in json.loads(sys.argv[1]):
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    for words in json.loads(sys.argv[2]):
        print("==", *words)
        app(words, standalone_mode=False)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no pty")
def test_a_table_in_a_terminal_keeps_every_number(monkeypatch):
    widths, commands = [80, 100], [words.format(**STORAGES).split() for words in IN_BOTH]
    out = in_a_terminal(
        sys.executable, "-c", IN_A_TERMINAL, json.dumps(widths), json.dumps(commands)
    )
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out)
    parts = [part.partition("\n")[2] for part in plain.split("== ")[1:]]
    whole = [run(f"{words} --wide", 80, monkeypatch).stdout for words in IN_BOTH]
    assert len(parts) == len(widths) * len(whole)
    for i, part in enumerate(parts):
        assert max(map(cell_len, part.splitlines())) <= widths[i // len(whole)]
        assert numbers(part) <= numbers(whole[i % len(whole)])


def in_a_terminal(*command):
    import os
    import pty

    main, window = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        command, stdout=window, stderr=subprocess.DEVNULL, env={**environment, "TERM": "xterm"}
    )
    os.close(window)
    out = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        out += piece
    os.close(main)
    assert process.wait() == 0
    return out.decode().replace("\r\n", "\n")


def test_what_is_left_out_is_said_and_wide_shows_it(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    words = ["latency", "published", "--chip", "A15"]
    narrow, wide = (CliRunner().invoke(app, [*words, *more]) for more in ([], ["--wide"]))
    assert "left out: precision, units, used as; --wide shows them" in narrow.stderr
    assert "precision" not in narrow.stdout.splitlines()[1]
    assert "precision" in wide.stdout.splitlines()[1] and "left out" not in wide.stderr


@given(
    texts=st.lists(st.text("abc de", max_size=40), min_size=1, max_size=4),
    values=st.lists(st.floats(0, 1e9), min_size=1, max_size=5),
    width=st.integers(40, 160),
    optional=st.sets(st.integers(1, 4)),
    under=st.dictionaries(st.integers(2, 4), st.just("n0")),
)
def test_whatever_the_width_each_number_is_whole_and_no_line_is_too_long(
    texts, values, width, optional, under
):
    import contextlib
    import io

    columns = [Column("name", "name")]
    columns += [
        Column(f"n{i}", f"number {i}", "{:,.2f}".format, True, i in optional, under.get(i))
        for i in range(len(values))
    ]
    row = {f"n{i}": value for i, value in enumerate(values)}
    rows = [{**row, "name": text} for text in texts]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        left_out = print_rows(rows, columns, None, width)
    lines = out.getvalue().splitlines()
    shown = [i for i in range(len(values)) if f"number {i}" not in left_out]
    assert all(cell_len(line) <= width for line in lines)
    for i in shown:
        assert f"{values[i]:,.2f}" in out.getvalue().split()
    assert all(i in optional for i in range(len(values)) if i not in shown)


def test_brackets_in_names_are_text_and_not_markup(capsys):
    print_rows([{"name": "[red]x[/red]"}], [Column("name", "name")], "[b]title", 80)
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out and "[b]title" in out
