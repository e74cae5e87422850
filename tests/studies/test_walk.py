"""The walk follows the paper where the paper speaks, and stays silent where it does not."""

import json

import pytest
from typer.testing import CliRunner

from search_space.errors import WalkbenchError
from studies.cli.main import app
from studies.figures.walk import walk_figure
from studies.walk import published_walk, walk_rows

ROWS = {(row["family"], row["step"]): row for row in walk_rows("both")}

PUBLISHED = [  # (step, field, fraction): the eight percentages of params and MACs in print
    ("no-high-res-sa", "macs", -0.17),
    ("separable", "params", -0.24),
    ("expanded-separable", "params", -0.15),
    ("expanded-separable", "macs", -0.27),
    ("ffn-3", "params", -0.12),
    ("ffn-3", "macs", -0.12),
    ("mqa", "params", -0.16),
    ("mqa", "macs", -0.06),
]


@pytest.mark.parametrize(("step", "field", "fraction"), PUBLISHED)
def test_family_m_is_within_one_point_of_each_published_percentage(
    step: str, field: str, fraction: float
) -> None:
    row = ROWS["M", step]
    assert row["published"][f"{field}_delta"]["value"] == fraction
    assert row[f"{field}_delta"] == pytest.approx(fraction, abs=0.01)


@pytest.mark.parametrize(("step", "params"), [("qk-norm-rope", 372e6), ("snapgen", 379e6)])
def test_family_f_is_within_half_a_percent_of_the_published_totals(
    step: str, params: float
) -> None:
    row = ROWS["F", step]
    assert row["published"]["params"]["value"] == params
    assert row["params"] == pytest.approx(params, rel=0.005)


def test_what_is_not_published_stays_empty() -> None:
    published = published_walk()
    assert "latency_ms" not in published["mqa"]
    assert "fid" not in published["ffn-3"]
    assert not any("latency_delta" in published[step] for step in ("thin", "ffn-3", "snapgen"))


def test_every_published_figure_has_a_confidence_word_and_a_source() -> None:
    for step in published_walk().values():
        for name, figure in step.items():
            if name != "against":
                assert figure["confidence"] in ("stated", "derived", "unsure")
                assert figure["source"]


def test_latency_is_an_estimate_with_its_interval() -> None:
    for row in ROWS.values():
        assert row["latency_low_ms"] < row["latency_ms"] < row["latency_high_ms"]
        assert row["latency_source"] == "estimated"


def test_a_step_without_any_published_figure_has_null() -> None:
    rows = walk_rows("M", device=None)
    assert all(row["published"] is None or row["published"] for row in rows)
    assert rows[0]["latency_ms"] is None


def test_an_unknown_family_or_device_names_the_known_ones() -> None:
    with pytest.raises(WalkbenchError, match="known: F, M, both"):
        walk_rows("Q")  # type: ignore[arg-type]
    with pytest.raises(WalkbenchError, match="did you mean 'iPhone 15 Pro'"):
        walk_rows("M", "iPhone 15 Prro")


def test_the_command_prints_both_families_as_json() -> None:
    result = CliRunner().invoke(app, ["walk", "--format", "json"])
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert len(rows) == len(ROWS) == 20
    needed = {"family", "step", "params", "macs", "latency_ms", "latency_low_ms"}
    assert needed | {"latency_high_ms", "published"} <= set(rows[0])


def test_steps_that_were_trained_say_whether_the_change_in_loss_is_real() -> None:
    changes = {row["step"]: row["proxy_loss"] for row in walk_rows("M", device=None)}
    assert changes.pop("sdxl") is None
    for change in changes.values():
        inside = change["low"] <= 0 <= change["high"]
        assert change["verdict"] == ("INSIDE NOISE" if inside else "REAL")
    assert all(row["proxy_loss"] is None for row in walk_rows("F", device=None))
    shown = CliRunner().invoke(app, ["walk", "--family", "M"]).stdout
    assert "INSIDE NOISE" in shown
    assert "Measured change in loss" in shown


def test_the_table_says_not_published_and_keeps_the_confidence_words() -> None:
    result = CliRunner().invoke(app, ["walk", "--family", "M"])
    assert result.exit_code == 0
    assert "not published" in result.stdout
    assert "−24 % stated" in result.stdout


def test_an_unknown_device_exits_with_2_and_one_line() -> None:
    result = CliRunner().invoke(app, ["walk", "--device", "Pixel 9"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "unknown device 'Pixel 9'" in result.stderr


def test_the_figure_draws_each_published_latency_change() -> None:
    figure = walk_figure(walk_rows("M"))
    diamonds = [
        t for t in figure.data if t.name == "published change, family M" and t.yaxis == "y3"
    ]
    assert list(diamonds[0].x) == ["no-high-res-sa", "separable", "expanded-separable", "mqa"]


def test_the_html_is_self_contained(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "walk.html"
    result = CliRunner().invoke(app, ["walk", "--html", str(path)])
    assert result.exit_code == 0
    text = path.read_text()
    assert "Plotly" in text and 'src="http' not in text
