"""`walkbench latency`: plan, measure, import, show, validate and export as whole commands."""

import json

import pytest
from typer.testing import CliRunner

from latency_db.table_row import MeasuringConditions, Row
from studies.cli.main import app

KEY = "conv_in in_channels=4 out_channels=16 size=8"
TINY = ["--spec", "F/thin", "--narrow", "32", "--latent", "8"]


def run(*words: object):
    return CliRunner().invoke(app, ["latency", *map(str, words)])


def refused(*words: object) -> str:
    """The one line of a mistake."""
    result = run(*words)
    assert result.exit_code == 2 and not result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def foreign(folder, text: str):
    path = folder / "theirs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plan_says_nothing_of_other_designs_when_none_was_sampled():
    result = run("plan", *TINY, "--format", "json")
    assert result.exit_code == 0
    assert {row["first_for"] for row in json.loads(result.stdout)} == {"F/thin"}
    assert "1 named and 0 sampled" in result.stderr and "chance" not in result.stderr


def test_a_table_of_narrow_designs_prices_a_design_at_that_size():
    words = ("show", "cpu-onnxruntime-narrow", "--spec", "F/ffn-3")
    (row,) = json.loads(run(*words, "--narrow", 64, "--latent", 32, "--format", "json").stdout)
    assert (row["spec"], row["source"], row["coverage"]) == ("F/ffn-3", "measured", 1.0)
    assert "no entry for" in refused(*words)


def test_a_good_table_is_imported_and_shown(tmp_path):
    theirs, mine = foreign(tmp_path, f"key,median_ms\n{KEY},0.5\n"), tmp_path / "mine.csv"
    assert run("import", theirs, "--out", mine, "--device", "iPhone 15 Pro").exit_code == 0
    (row,) = json.loads(run("show", mine, "--format", "json").stdout)
    assert (row["key"], row["ms"]) == (KEY, 0.5)
    assert "0 whole networks" in refused("validate", mine)
    assert "no rows under these conditions" in refused("show", mine, "--where", "precision=fp8")
    assert "--resume" in refused("measure", mine, "--backend", "torch", *TINY)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("key,median_ms\n", "no rows"),
        (f"key,seconds\n{KEY},0.5\n", "needs key and median_ms"),
        (f"key,median_ms\n{KEY},0\n", "a positive number is needed"),
        (f"key,median_ms\n{KEY},-0.5\n", "a positive number is needed"),
        (f"key,median_ms\n{KEY},fast\n", "median_ms is 'fast'"),
        (f"key,median_ms,n\n{KEY},0.5,nan\n", "a whole number is needed"),
        (f"key,median_ms,threads\n{KEY},0.5,two\n", "threads is 'two'"),
        (f"key,median_ms,samples\n{KEY},0.5,abc\n", "samples are 'abc'"),
        ("key,median_ms\nconv_in size=8\n", "conv_in"),
    ],
)
def test_a_bad_table_is_refused_and_nothing_is_written(tmp_path, text, reason):
    out = tmp_path / "mine.csv"
    words = ("import", foreign(tmp_path, text), "--out", out, "--device", "iPhone 15 Pro")
    assert reason in refused(*words)
    assert not out.exists()


def test_a_slip_of_units_names_the_block(tmp_path):
    times = {8: 0.5, 16: 1.0, 24: 1.5, 32: 2.0, 40: 2500.0}  # the last one in microseconds
    lines = [f"conv_in in_channels=4 out_channels={c} size=8,{ms}" for c, ms in times.items()]
    theirs = foreign(tmp_path, "\n".join(["key,median_ms", *lines, ""]))
    line = refused("import", theirs, "--out", tmp_path / "mine.csv", "--device", "A17 Pro")
    assert "out_channels=40" in line and "unit" in line


def test_a_torn_table_says_how_it_is_mended(tmp_path):
    row = Row.of(KEY, MeasuringConditions("iPhone 13"), {1: [0.5]}, run="a")
    torn = foreign(tmp_path, ",".join(row.cells()) + "\n" + KEY)
    assert "--resume" in refused("show", torn)


def test_a_measurement_writes_a_row_for_every_visit_and_resumes(tmp_path):
    table = tmp_path / "t.csv"
    words = ("measure", table, "--backend", "torch", *TINY, "--passes", 1, "--rounds", 1)
    assert run(*words).exit_code == 0
    rows = table.read_bytes().count(b"\n") - 1
    again = run(*words, "--resume")
    assert again.exit_code == 0
    assert f"0 visits measured, {rows} found done" in again.stderr
    (found,) = json.loads(run("plan", *TINY, "--format", "json").stdout)[:1]
    assert found["key"] in table.read_text()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("show", "nope"), "unknown latency table 'nope'"),
        (("show", "missing.csv"), "No such file"),
        (("plan", "--space", "nope"), "unknown space 'nope'"),
        (("plan", "--spec", "nope"), "unknown spec 'nope'"),
        (("plan", "--samples", 3, "--spec", "sd15"), "--space"),
        (("measure", "t.csv", "--backend", "onnx", *TINY), "did you mean 'onnxruntime'"),
        (("measure", "t.csv", "--backend", "torch", "--device", "tpu", *TINY), "device 'tpu'"),
        (("measure", "t.csv", "--backend", "torch", "--networks", 2, *TINY), "--space"),
        (("export", "packages", "--target", "ios99"), "ios99"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(tmp_path, monkeypatch, words, reason):
    monkeypatch.chdir(tmp_path)
    assert reason in refused(*words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["measure", "export"])
def test_nothing_is_begun_unless_designs_are_named(tmp_path, command):
    line = refused(command, tmp_path / "out")
    assert "--spec" in line and "--space" in line and "named designs" in line
    assert not list(tmp_path.iterdir())


def test_how_long_all_named_designs_take_is_said_before_they_are_measured(tmp_path):
    few, many = (
        refused("measure", tmp_path / "t.csv", "--backend", "torch", "--passes", passes)
        for passes in (1, 50)
    )
    hours = [float(line.split(" h on torch")[0].split()[-1]) for line in (few, many)]
    assert 10 * hours[0] < hours[1]


DEPTHS = """
name = "depths"
base = "F/thin"

[axes]
"depth.1.down" = [1, 2]
"depth.1.up" = [1, 2]
"depth.2.down" = [1, 2]
"depth.2.up" = [1, 2]
"""


@pytest.mark.slow
def test_validate_draws_measures_and_reports_and_goes_on_where_it_stopped(tmp_path):
    table, write = tmp_path / "t.csv", tmp_path / "report.json"
    space = tmp_path / "depths.toml"  # many networks of the same few blocks
    space.write_text(DEPTHS)
    size = ("--narrow", 32, "--latent", 8)
    words = ("validate", table, "--space", space, "--networks", 10, *size)
    words += ("--backend", "torch", "--passes", 1, "--rounds", 1, "--write", write)
    first = run(*words, "--format", "json")
    assert first.exit_code == 0, first.stderr
    assert json.loads(first.stdout)["n"] == 10
    assert len(json.loads(write.read_text())["rows"]) == 10
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-3]))  # as a kill leaves it
    again = run(*words, "--format", "json")
    assert f"3 visits measured, {len(lines) - 4} found done" in again.stderr
    assert json.loads(run("validate", table, "--format", "json").stdout)["n"] == 10


def test_validate_measures_no_named_design_and_no_shipped_table(tmp_path):
    assert "shipped" in refused("validate", "cpu-onnxruntime-narrow", "--space", "pocket")
    assert "--space" in refused("validate", tmp_path / "t.csv", "--passes", 3)


def test_a_phone_is_not_measured_without_a_mac(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    words = ("measure", tmp_path / "t.csv", "--backend", "coreml-iphone", "--team", "ABCDE12345")
    line = refused(*words, "--device", "iPhone 15 Pro", *TINY)
    assert "macOS" in line and "walkbench latency export" in line
