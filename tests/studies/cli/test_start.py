"""The start and the end of the command: interruptions, broken outputs, missing libraries."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from studies.cli.start import LIBRARIES

ROOT = Path(__file__).parents[3]
WALKBENCH = (sys.executable, "-m", "studies.cli")

# Presses Ctrl-C, or hides a library, when the named module is about to be imported.
AT_IMPORT = """
import os, signal, sys
from studies.cli.start import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run in the background
at, sys.argv = sys.argv[1], ["walkbench", *sys.argv[2:]]

class At:
    def find_spec(self, name, path=None, target=None):
        if name == at:
            {what}

sys.meta_path.insert(0, At())
sys.exit(main())
"""
INTERRUPT = "os.kill(os.getpid(), signal.SIGINT)"
HIDE = "raise ModuleNotFoundError(f'No module named {at!r}', name=at)"


def at_import(what, module, *words):
    code = AT_IMPORT.format(what=what)
    command = [sys.executable, "-c", code, module, *words]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("module", ["studies.cli.main", "typer", "studies.cli.study", "torch"])
def test_ctrl_c_while_modules_load_ends_in_one_line(module):
    done = at_import(INTERRUPT, module, "spec", "list")
    assert done.returncode == 130 and "Traceback" not in done.stderr
    assert re.fullmatch(r"interrupted.*\n", done.stderr) and not done.stdout


@pytest.mark.parametrize("library", ["typer", "rich", "torch"])
def test_a_core_library_that_is_missing_names_the_pip_line(library):
    done = at_import(HIDE, library, "spec", "list")
    assert done.returncode == 2
    assert (
        done.stderr == f"error: the library '{library}' is not installed; pip install '{library}'\n"
    )


def test_every_dependency_has_its_pip_line():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {re.match(r"[a-z0-9-]+", line).group() for line in project["dependencies"]}
    assert named == set(LIBRARIES.values())


@pytest.mark.thinned
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", ["spec list --format json", "space list", "--help"])
def test_an_output_that_cannot_be_written_is_an_error_in_one_line(words):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*WALKBENCH, *words.split()], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("words", ["space list", "latency published --wide"])  # in a buffer, beyond
def test_a_reader_that_goes_away_ends_the_command_quietly(words):
    command = [*WALKBENCH, *words.split()]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode != 0


HEAVY = ("torch", "optuna", "plotly", "numpy", "pandas", "scipy", "streamlit", "sqlalchemy")
GROUPS = ("", "cost", "walk", "demo", "export", "dashboard", "spec", "space", "data", "proxy")
GROUPS += ("study", "latency", "study run", "proxy run", "proxy validate", "latency measure")
IMPORTED_BY_HELP = f"""
import contextlib, io, sys
from studies.cli.main import app
for group in {GROUPS!r}:
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as out:
        app([*group.split(), "--help"])
    assert "Usage" in out.getvalue(), group
    loaded = set(sys.modules) & set({HEAVY!r})
    assert not loaded, (group, loaded)
"""


def test_help_of_every_group_imports_nothing_heavy():
    subprocess.run([sys.executable, "-c", IMPORTED_BY_HELP], check=True)
