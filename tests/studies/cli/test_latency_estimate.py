"""The commands that need no phone."""

import json

import pytest
from typer.testing import CliRunner

from studies.cli.main import app


def run(*words: str):
    return CliRunner().invoke(app, ["latency", *words])


def test_published_lists_all_rows_with_their_sources():
    rows = json.loads(run("published", "--format", "json").stdout)
    assert len(rows) == 560
    assert all(row["url"].startswith("https://") for row in rows)


def test_published_takes_a_phone_a_chip_and_part_of_a_model():
    by_phone = json.loads(run("published", "--chip", "iphone 13", "--format", "json").stdout)
    by_chip = json.loads(run("published", "--chip", "a15", "--format", "json").stdout)
    assert by_phone == by_chip
    unets = run("published", "--chip", "A15", "--model", "unet", "--format", "json")
    assert {row["published_ms"] for row in json.loads(unets.stdout)} == {389, 392, 395, 1471}


def test_estimate_prints_the_interval_before_the_middle():
    words = run("estimate", "snapgen-t2i", "sdxl", "--device", "iPhone 16 Pro").stdout
    assert words.index("low ms") < words.index("high ms") < words.index("estimate ms")


def test_estimate_as_json():
    found = run("estimate", "sd15", "--device", "A15", "--format", "json")
    (row,) = json.loads(found.stdout)
    assert row["latency_low_ms"] < row["latency_ms"] < row["latency_high_ms"]
    assert (row["source"], row["coverage"], row["chip"]) == ("estimated", 0.0, "A15")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["estimate", "sd15", "--device", "iPhone 15 Prro"], "'iPhone 15 Pro'"),
        (["estimate", "sdxxl"], "sdxl"),
        (["published", "--chip", "A99"], "A15"),
        (["published", "--model", "no such"], "no such"),
        (["validate-estimate", "--by", "familly"], "'family'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words, says):
    found = run(*words)
    assert found.exit_code == 2
    assert found.stdout == ""
    assert says in found.stderr
    assert "Traceback" not in found.stderr
