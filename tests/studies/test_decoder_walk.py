"""The decoder's walk: our figures beside 36× and 54×, and nothing invented between."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from studies.cli.main import app
from studies.decoder_walk import decoder_walk_rows, published_decoder

ROWS = {row["step"]: row for row in decoder_walk_rows()}


def test_the_last_step_is_36_times_smaller_as_published() -> None:
    row = ROWS["upsampler"]
    assert row["published"]["params_ratio"]["value"] == 36 <= row["params_ratio"]
    assert row["params"] == pytest.approx(row["published"]["params"]["value"], rel=0.01)


def test_the_published_119_ms_is_in_our_interval() -> None:
    row = ROWS["upsampler"]
    assert row["published"]["latency_ms"]["value"] == 119
    assert row["latency_low_ms"] < 119 < row["latency_high_ms"]


def test_ratios_are_of_the_first_step_and_deltas_of_the_one_before() -> None:
    first, narrower, fewer = ROWS["sd"], ROWS["narrower"], ROWS["fewer-blocks"]
    assert first["params_ratio"] == 1 and first["params_delta"] is None
    assert fewer["macs_ratio"] == first["macs"] / fewer["macs"]
    assert fewer["macs_delta"] == fewer["macs"] / narrower["macs"] - 1
    assert fewer["against"] == "narrower"


def test_attention_costs_a_twentieth_of_the_macs_and_separable_convs_most_of_the_rest() -> None:
    assert -0.1 < ROWS["no-attention"]["macs_delta"] < -0.05
    assert ROWS["separable"]["macs_delta"] < -0.85


def test_nothing_is_published_of_the_steps_between() -> None:
    assert set(published_decoder()) == {"sd", "upsampler"}
    assert ROWS["separable"]["published"] is None


def test_the_command_prints_table_json_and_page(tmp_path: Path) -> None:
    words = ["walk", "--network", "decoder"]
    shown = CliRunner().invoke(app, [*words, "--wide"])
    assert shown.exit_code == 0, shown.output
    assert "1.38 M stated, 36× stated" in shown.output and "119 ms stated" in shown.output
    page = tmp_path / "walk.html"
    done = CliRunner().invoke(app, [*words, "--format", "json", "--html", str(page)])
    assert [row["step"] for row in json.loads(done.stdout)] == list(ROWS)
    assert "Peak activation memory" in page.read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--family", "M"], "--family is of the UNet's walk"),
        (["--device", "iPhone 99"], "iPhone 99"),
        (["--network", "encoder"], "encoder"),
    ],
)
def test_bad_usage_exits_with_2(more: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["walk", "--network", "decoder", *more])
    assert done.exit_code == 2 or message in str(done.exception)
    assert message in done.output + str(done.exception)
