"""`walkbench cost`: documented JSON, rows that sum, and one line for every mistake."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from search_space.cost import cost
from search_space.presets import named_spec
from studies.cli.main import app

SMALL = ("snapgen-t2i", "--latent", "8")
TOTALS = ("params", "macs", "weight_bytes", "activation_bytes")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["cost", *words])


def run_json(*words: str) -> dict[str, Any]:
    result = run(*words, "--format", "json")
    assert result.exit_code == 0, result.stderr
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


def test_json_is_one_object_with_the_documented_integers() -> None:
    got = run_json("sdxl")
    expected = cost(named_spec("sdxl"))
    assert got["spec"] == "sdxl"
    assert got["digest"] == named_spec("sdxl").digest()
    for field in (*TOTALS, "peak_activation_bytes"):
        assert type(got[field]) is int
        assert got[field] == getattr(expected, field)


def test_rows_of_blocks_sum_to_the_totals_exactly() -> None:
    got = run_json("dreamlite", "--blocks")
    for field in TOTALS:
        assert sum(row[field] for row in got["blocks"]) == got[field]


def test_latent_and_tokens_change_macs_and_not_params() -> None:
    own, smaller = run_json("snapgen-t2i"), run_json("snapgen-t2i", "--latent", "64")
    longer = run_json("snapgen-t2i", "--tokens", "300")
    assert (own["latent"], own["tokens"]) == (128, 77)
    assert (smaller["latent"], longer["tokens"]) == (64, 300)
    assert own["params"] == smaller["params"] == longer["params"]
    assert smaller["macs"] < own["macs"] < longer["macs"]
    assert len({own["digest"], smaller["digest"], longer["digest"]}) == 3


def test_a_spec_file_is_priced_like_its_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(named_spec("M/mqa").to_json())
    assert run_json(str(path)) == run_json("M/mqa")


def test_a_spec_file_of_nobody_is_called_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(named_spec("M/mqa").replace(time_width=512).to_json())
    assert run_json(str(path))["spec"] == str(path)


def test_csv_holds_the_totals_or_the_blocks() -> None:
    (total,) = csv.DictReader(io.StringIO(run(*SMALL, "--format", "csv").stdout))
    rows = list(csv.DictReader(io.StringIO(run(*SMALL, "--blocks", "--format", "csv").stdout)))
    assert sum(int(row["macs"]) for row in rows) == int(total["macs"])


def test_the_table_shows_exact_totals() -> None:
    out = run("sdxl").stdout
    assert "2,567,463,684" in out
    assert "3,380,618,199,040" in out


def test_the_table_of_blocks_shows_figures_and_keys_in_full() -> None:
    out = run(*SMALL, "--blocks").stdout
    assert "…" not in out
    assert "kind=separable" in out


@pytest.mark.slow
def test_crosscheck_lists_every_tool_with_its_reason() -> None:
    pytest.importorskip("fvcore")
    pytest.importorskip("thop")
    got = run_json("sd15", "--latent", "8", "--crosscheck")
    tools = {row["tool"]: row for row in got["crosscheck"]}
    assert len(tools) == 5
    assert tools["torch FlopCounterMode"]["macs"] == tools["walkbench"]["macs"] == got["macs"]
    assert all(row["macs"] - got["macs"] == row["difference"] for row in tools.values())
    assert "cannot see attention" in tools["thop"]["reason"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sdxxl",), "unknown spec 'sdxxl'; did you mean 'sdxl'?"),
        (("missing.json",), "spec file 'missing.json': No such file or directory; name a readable"),
        (("sdxl", "--latent", "30"), "latent_size 30 is not a multiple of 4"),
        (("sdxl", "--latent", "0"), "latent_size is 0; a positive number is needed"),
        (("sdxl", "--tokens", "-1"), "context.tokens is -1; a positive number is needed"),
        (
            ("sdxl", "--blocks", "--crosscheck", "--format", "csv"),
            "csv holds one table: choose --blocks or --crosscheck, or use json",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words: tuple[str, ...], message: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
