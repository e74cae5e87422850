"""The notebooks run as committed, and are committed with their outputs."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shown(cell):
    return ["".join(output.get("data", {}).get("text/plain", "")) for output in cell["outputs"]]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_with_small_outputs_and_no_errors(path):
    assert path.stat().st_size < 100_000
    cells = code(json.loads(path.read_text(encoding="utf-8")))
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(bool(cell["outputs"]) for cell in cells) >= len(cells) - 1
    assert not [o for cell in cells for o in cell["outputs"] if o["output_type"] == "error"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_again_and_shows_the_same_prices(path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(path, 4)
    before = [shown(cell) for cell in code(json.loads(path.read_text(encoding="utf-8")))]
    nbclient.NotebookClient(notebook, timeout=280, kernel_name="python3").execute()
    after = [shown(cell) for cell in code(notebook)]
    if path.stem == "pricing":  # nothing in it is trained
        assert after == before
    else:
        assert [len(outputs) for outputs in after] == [len(outputs) for outputs in before]
